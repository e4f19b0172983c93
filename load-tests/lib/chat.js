// What the scripts share: one service, its applications, chats and messages.

import http from 'k6/http';
import { check, sleep } from 'k6';

const SERVICE = __ENV.CHAT_URL || 'http://127.0.0.1:8080';
export const API = `${SERVICE}/api/v1`;
// The operator's key where the service is closed. Applications are then opened by the key that they are made with.
const OPERATOR = __ENV.CHAT_ADMIN_KEY;

/// `seconds` of CHAT_LOAD_SECONDS, or so many.
export function seconds(otherwise) {
  return Number(__ENV.CHAT_LOAD_SECONDS || otherwise);
}

/// Users at once: CHAT_LOAD_USERS, or so many.
export function users(otherwise) {
  return Number(__ENV.CHAT_LOAD_USERS || otherwise);
}

function parameters(key, call, more) {
  const headers = { 'Content-Type': 'application/json' };
  if (key) {
    headers.Authorization = `Bearer ${key}`;
  }
  return { headers: Object.assign(headers, more), tags: { name: call } };
}

function checked(response, call, statuses) {
  check(response, { [`${call}: ${statuses.join(' or ')}`]: (answer) => statuses.includes(answer.status) });
  return response;
}

/// An application, and what opens it.
export function makeApplication(name) {
  const body = JSON.stringify({ name });
  const made = checked(http.post(`${API}/applications`, body, parameters(OPERATOR, 'make application')), 'make application', [201]);
  return { path: `${API}/applications/${made.json('data.token')}`, key: made.json('key') || undefined };
}

/// What a path shows: a list, or one thing.
export function show(path, key) {
  return checked(http.get(path, parameters(key, 'show')), 'show', [200]);
}

/// The newest applications.
export function applications() {
  return show(`${API}/applications?order=desc&limit=100`, OPERATOR).json('data');
}

export function renameApplication(application, name) {
  const body = JSON.stringify({ name });
  return checked(http.put(application.path, body, parameters(OPERATOR || application.key, 'rename application')), 'rename application', [200]);
}

export function deleteApplication(application) {
  return checked(http.del(application.path, null, parameters(OPERATOR || application.key, 'delete application')), 'delete application', [204]);
}

/// A chat; its number is that of the answer.
export function makeChat(application) {
  const made = checked(http.post(`${application.path}/chats`, '{}', parameters(application.key, 'make chat')), 'make chat', [201]);
  const number = made.json('chat_number');
  return { path: `${application.path}/chats/${number}`, key: application.key, number };
}

export function deleteChat(chat) {
  return checked(http.del(chat.path, null, parameters(chat.key, 'delete chat')), 'delete chat', [204]);
}

/// Says something; `statuses` are what is right to be answered.
export function say(chat, body, statuses = [201], headers = {}) {
  const sent = JSON.stringify({ body });
  return checked(http.post(`${chat.path}/messages`, sent, parameters(chat.key, 'say', headers)), 'say', statuses);
}

export function read(chat, number, statuses = [200]) {
  return checked(http.get(`${chat.path}/messages/${number}`, parameters(chat.key, 'read')), 'read', statuses);
}

/// The newest messages of a chat.
export function newest(chat, limit) {
  return checked(http.get(`${chat.path}/messages?order=desc&limit=${limit}`, parameters(chat.key, 'newest')), 'newest', [200]);
}

export function edit(chat, number, body) {
  const sent = JSON.stringify({ body });
  return checked(http.put(`${chat.path}/messages/${number}`, sent, parameters(chat.key, 'edit')), 'edit', [200, 404]);
}

export function remove(chat, number) {
  return checked(http.del(`${chat.path}/messages/${number}`, null, parameters(chat.key, 'delete')), 'delete', [204, 404]);
}

export function search(chat, query, limit = 20) {
  const sent = JSON.stringify({ query, limit });
  return checked(http.post(`${chat.path}/messages/search`, sent, parameters(chat.key, 'search')), 'search', [200]);
}

/// Waits until a search finds so many: what was kept is found a little later. Whether it did.
export function isFound(chat, query, total) {
  const deadline = Date.now() + 60000;
  while (search(chat, query).json('number_of_messages') !== total) {
    if (Date.now() > deadline) {
      return false;
    }
    sleep(0.05);
  }
  return true;
}

/// All numbers of a list, page by page.
export function numbers(path, key) {
  const all = [];
  let after = '';
  for (;;) {
    const page = checked(http.get(`${path}?limit=1000${after}`, parameters(key, 'list')), 'list', [200]);
    page.json('data').forEach((thing) => all.push(thing.number));
    if (page.json('next') === undefined) {
      return all;
    }
    after = `&after=${page.json('next')}`;
  }
}

/// Whether these are exactly 1..N in order.
export function areDense(found) {
  return found.every((number, at) => number === at + 1);
}

// What a chat is about: a few words out of a vocabulary, some of them much more often than others.
const SYLLABLES = ['ka', 'lo', 'mi', 'ren', 'ta', 'vos', 'qui', 'bel', 'dor', 'sha', 'pim', 'net', 'gra', 'ul', 'fen'];

export function word() {
  const rank = Math.floor(Math.pow(Math.random(), 3) * SYLLABLES.length * SYLLABLES.length * SYLLABLES.length);
  const first = rank % SYLLABLES.length;
  const second = Math.floor(rank / SYLLABLES.length) % SYLLABLES.length;
  const third = Math.floor(rank / (SYLLABLES.length * SYLLABLES.length));
  return SYLLABLES[first] + SYLLABLES[second] + SYLLABLES[third];
}

export function sentence() {
  const words = 3 + Math.floor(Math.random() * 15);
  return Array.from({ length: words }, word).join(' ');
}

/// What holds for every script: each answer was one that is right.
export const RIGHT = { checks: ['rate==1'] };
/// Where the service has less to do than it can: each answer is there soon, too.
export const RIGHT_AND_SOON = Object.assign({ http_req_duration: [`p(99)<${__ENV.CHAT_LOAD_ANSWER_MS || 1000}`] }, RIGHT);
