// Every call of applications, chats and messages once, in the order of a first day: a service that passes this is up.

import { check } from 'k6';
import http from 'k6/http';
import * as chat from './lib/chat.js';

export const options = { vus: 1, iterations: 1, thresholds: chat.RIGHT_AND_SOON };

export default function () {
  const application = chat.makeApplication('smoke');
  chat.renameApplication(application, 'smoke test');
  const renamed = chat.show(application.path, application.key);
  check(renamed, { 'it has its new name': (answer) => answer.json('data.name') === 'smoke test' });
  const listed = (all) => all.some((one) => application.path.endsWith(one.token));
  check(chat.applications(), { 'it is listed, among the newest': listed });
  const room = chat.makeChat(application);
  check(chat.show(room.path, room.key), { 'the chat is there': (answer) => answer.json('data.number') === room.number });
  check(chat.numbers(`${application.path}/chats`, application.key), { 'it is the only one': (all) => all.length === 1 });
  check(room, { 'the first chat is 1': (made) => made.number === 1 });
  for (let number = 1; number <= 3; number += 1) {
    const said = chat.say(room, `hello ${number}`);
    check(said, { 'messages are 1, 2, 3': (answer) => answer.json('message_number') === number });
  }
  check(chat.read(room, 2), { 'what was kept is read at once': (answer) => answer.json('data.body') === 'hello 2' });
  chat.edit(room, 2, 'hello world');
  chat.remove(room, 1);
  chat.read(room, 1, [404]);
  check(chat.newest(room, 10), { 'two are left': (answer) => answer.json('data').length === 2 });
  check(chat.isFound(room, 'worl', 1), { 'it is found by a part of a word': (found) => found });
  check(http.get(`${chat.API}/openapi.json`), { 'the document is served': (answer) => answer.status === 200 });
  chat.deleteChat(room);
  chat.deleteApplication(application);
}
