// Searches in one chat of CHAT_LOAD_MESSAGES messages: whole words, beginnings, parts, typos, several words.

import { check } from 'k6';
import http from 'k6/http';
import * as chat from './lib/chat.js';

const MESSAGES = Number(__ENV.CHAT_LOAD_MESSAGES || 20000);

export const options = {
  scenarios: { seekers: { executor: 'constant-vus', vus: chat.users(8), duration: `${chat.seconds(30)}s` } },
  setupTimeout: '30m',
  thresholds: chat.RIGHT,
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
  chat.say(room, 'settledmarker');
  check(chat.isFound(room, 'settledmarker', 1), { 'the last is found': (found) => found });
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
  const query = queries[Math.floor(Math.random() * queries.length)];
  const page = chat.search(room, query);
  check(page, { 'a page has at most what was asked for': (answer) => answer.json('data').length <= 20 });
}
