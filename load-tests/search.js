// Searches in one chat of CHAT_LOAD_MESSAGES messages: whole words, beginnings, parts, typos, several words. One message is
// known, and found by each of these.

import { check } from 'k6';
import http from 'k6/http';
import * as chat from './lib/chat.js';

const KNOWN = 'nothing but bitter marmalade';
const KNOWN_BY = ['marmalade', 'marm', 'malad', 'marmelade', 'bitter marmal'];
const MESSAGES = Number(__ENV.CHAT_LOAD_MESSAGES || 20000);

export const options = {
  scenarios: { seekers: { executor: 'constant-vus', vus: chat.users(8), duration: `${chat.seconds(30)}s` } },
  setupTimeout: '30m',
  thresholds: chat.RIGHT_AND_SOON,
};

export function setup() {
  const room = chat.makeChat(chat.makeApplication('search'));
  const headers = { 'Content-Type': 'application/json' };
  if (room.key) {
    headers.Authorization = `Bearer ${room.key}`;
  }
  for (let said = 0; said < MESSAGES; said += 100) {
    const batch = Array.from({ length: Math.min(100, MESSAGES - said) }, () => ({
      method: 'POST',
      url: `${room.path}/messages`,
      body: JSON.stringify({ body: chat.sentence() }),
      params: { headers, tags: { name: 'say' } },
    }));
    check(http.batch(batch), { 'all are kept': (answers) => answers.every((answer) => answer.status === 201) });
  }
  chat.say(room, KNOWN);
  check(chat.isFound(room, KNOWN_BY[0], 1), { 'the last is found': (found) => found });
  return { room };
}

export default function ({ room }) {
  const wanted = chat.word();
  const queries = [
    wanted,
    wanted.slice(0, 4),
    wanted.slice(2),
    wanted.slice(0, 3) + wanted.slice(4),
    `${wanted} ${chat.word().slice(0, 4)}`,
  ];
  const kind = Math.floor(Math.random() * queries.length);
  const known = chat.search(room, KNOWN_BY[kind]);
  check(known, { 'what is known is found': (answer) => answer.json('data').some((hit) => hit.body === KNOWN) });
  const page = chat.search(room, queries[kind]);
  check(page, { 'a page has at most what was asked for': (answer) => answer.json('data').length <= 20 });
}
