// What people do in chats: they read much, write some, edit little and search now and then.

import exec from 'k6/execution';
import * as chat from './lib/chat.js';

const USERS = chat.users(32);
const CHATS = 50;

export const options = {
  scenarios: { people: { executor: 'constant-vus', vus: USERS, duration: `${chat.seconds(60)}s` } },
  thresholds: chat.RIGHT_AND_SOON,
};

export function setup() {
  const application = chat.makeApplication('mixed');
  const rooms = Array.from({ length: CHATS }, () => chat.makeChat(application));
  rooms.forEach((room) => {
    for (let said = 0; said < 20; said += 1) {
      chat.say(room, chat.sentence());
    }
  });
  return { rooms };
}

export default function ({ rooms }) {
  // A few chats are much busier than the others.
  const room = rooms[Math.floor(Math.pow(Math.random(), 2) * rooms.length)];
  const what = Math.random();
  if (what < 0.5) {
    chat.newest(room, 50);
  } else if (what < 0.6) {
    chat.read(room, 1 + Math.floor(Math.random() * 20), [200, 404]);
  } else if (what < 0.88) {
    chat.say(room, chat.sentence());
  } else if (what < 0.93) {
    chat.search(room, chat.word().slice(0, 5));
  } else if (what < 0.98) {
    chat.edit(room, 1 + Math.floor(Math.random() * 20), chat.sentence());
  } else {
    chat.remove(room, 1 + (exec.scenario.iterationInTest % 20));
  }
}
