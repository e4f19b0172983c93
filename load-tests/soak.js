// A day's work in small: creates, reads and searches at a steady pace, far below what the service can take. Whoever runs it
// watches the service's memory. At the end `messages_kept` and `messages_found` are the same.

import { check } from 'k6';
import { Counter } from 'k6/metrics';
import * as chat from './lib/chat.js';

const messagesKept = new Counter('messages_kept');
const messagesFound = new Counter('messages_found');
const RATE = Number(__ENV.CHAT_LOAD_RATE || 200);

export const options = {
  scenarios: {
    steady: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: `${chat.seconds(600)}s`,
      preAllocatedVUs: 64,
      maxVUs: 256,
    },
  },
  teardownTimeout: '10m',
  thresholds: Object.assign({ dropped_iterations: ['count==0'] }, chat.RIGHT_AND_SOON),
};

export function setup() {
  const application = chat.makeApplication('soak');
  return { rooms: Array.from({ length: 20 }, () => chat.makeChat(application)) };
}

export default function ({ rooms }) {
  const room = rooms[Math.floor(Math.random() * rooms.length)];
  const what = Math.random();
  if (what < 0.5) {
    if (chat.say(room, chat.sentence()).status === 201) {
      messagesKept.add(1);
    }
  } else if (what < 0.9) {
    chat.newest(room, 50);
  } else {
    chat.search(room, chat.word().slice(0, 5));
  }
}

export function teardown({ rooms }) {
  rooms.forEach((room) => {
    const numbers = chat.numbers(`${room.path}/messages`, room.key);
    messagesFound.add(numbers.length);
    check(numbers, { 'numbers are exactly 1..N': (all) => chat.areDense(all) });
  });
}
