// Many users create in one chat, and chats in one application, all at once. At the end the numbers are exactly 1..N.

import { check } from 'k6';
import { Counter } from 'k6/metrics';
import exec from 'k6/execution';
import * as chat from './lib/chat.js';

const kept = new Counter('kept');
const USERS = chat.users(64);

export const options = {
  scenarios: {
    messages: { executor: 'constant-vus', vus: USERS, duration: `${chat.seconds(30)}s`, exec: 'messages' },
    chats: { executor: 'constant-vus', vus: Math.max(1, USERS / 8), duration: `${chat.seconds(30)}s`, exec: 'chats' },
  },
  teardownTimeout: '10m',
  thresholds: chat.RIGHT,
};

export function setup() {
  const application = chat.makeApplication('numbering');
  return { application, room: chat.makeChat(application) };
}

export function messages({ room }) {
  if (chat.say(room, `message of user ${exec.vu.idInTest}`).status === 201) {
    kept.add(1);
  }
}

export function chats({ application }) {
  chat.makeChat(application);
}

export function teardown({ application, room }) {
  for (const path of [`${room.path}/messages`, `${application.path}/chats`]) {
    const numbers = chat.numbers(path, application.key);
    console.log(`${numbers.length} numbers`);
    check(numbers, { 'numbers are exactly 1..N': (all) => all.length > 0 && chat.areDense(all, all.length) });
  }
}
