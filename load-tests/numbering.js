// Many users create in one chat, and chats in one application, all at once. At the end the numbers are exactly 1..N, and N
// is how many were answered 201: whoever runs the script compares `messages_kept` with `messages_found`, `chats_kept` with
// `chats_found` (k6 tells a script nothing of its own counters).

import { check } from 'k6';
import { Counter } from 'k6/metrics';
import exec from 'k6/execution';
import * as chat from './lib/chat.js';

const messagesKept = new Counter('messages_kept');
const messagesFound = new Counter('messages_found');
const chatsKept = new Counter('chats_kept');
const chatsFound = new Counter('chats_found');
const USERS = chat.users(64);

export const options = {
  scenarios: {
    messages: { executor: 'constant-vus', vus: USERS, duration: `${chat.seconds(30)}s`, exec: 'messages' },
    chats: { executor: 'constant-vus', vus: Math.max(1, USERS / 8), duration: `${chat.seconds(30)}s`, exec: 'chats' },
  },
  teardownTimeout: '10m',
  thresholds: chat.RIGHT_AND_SOON,
};

export function setup() {
  const application = chat.makeApplication('numbering');
  const room = chat.makeChat(application);
  chatsKept.add(1);
  return { application, room };
}

export function messages({ room }) {
  if (chat.say(room, `message of user ${exec.vu.idInTest}`).status === 201) {
    messagesKept.add(1);
  }
}

export function chats({ application }) {
  if (chat.makeChat(application).number !== undefined) {
    chatsKept.add(1);
  }
}

export function teardown({ application, room }) {
  for (const [path, found] of [[`${room.path}/messages`, messagesFound], [`${application.path}/chats`, chatsFound]]) {
    const numbers = chat.numbers(path, application.key);
    found.add(numbers.length);
    console.log(`${numbers.length} numbers`);
    check(numbers, { 'numbers are exactly 1..N': (all) => all.length > 0 && chat.areDense(all) });
  }
}
