// Twice what the service can take. Without CHAT_LOAD_PEAK it measures the peak: users who wait for their answers. With it, so
// many creates a second, requests come at twice that pace whatever becomes of them (an open model), and it holds that the
// service goes on near its best and says no at once to the rest.

import { Counter, Trend } from 'k6/metrics';
import * as chat from './lib/chat.js';

const kept = new Counter('kept');
const refused = new Counter('refused');
const refusing = new Trend('refusing', true);
const PEAK = Number(__ENV.CHAT_LOAD_PEAK || 0);
// Where k6 shares the machine, sending more costs the service something, and what is answered waits for k6 to see it:
// load-tests/compare has a cheaper client. On a machine of its own, 10 ms are to be asked for.
const GOODPUT = Number(__ENV.CHAT_LOAD_GOODPUT || 0.8);
const REFUSAL_MS = Number(__ENV.CHAT_LOAD_REFUSAL_MS || 1000);
const duration = `${chat.seconds(20)}s`;

export const options = {
  scenarios: {
    flood: PEAK
      ? { executor: 'constant-arrival-rate', rate: 2 * PEAK, timeUnit: '1s', duration, preAllocatedVUs: 2000, maxVUs: 2000 }
      : { executor: 'constant-vus', vus: 64, duration },
  },
  thresholds: Object.assign(
    // Where nobody is refused at twice the peak, it was not the peak.
    PEAK ? { kept: [`rate>=${GOODPUT * PEAK}`], refused: ['count>0'], refusing: [`p(95)<${REFUSAL_MS}`] } : {},
    chat.RIGHT,
  ),
};

export function setup() {
  return { room: chat.makeChat(chat.makeApplication('overload')) };
}

export default function ({ room }) {
  // 202: queued for good. 503: nothing was taken.
  const answer = chat.say(room, 'one of very many', [201, 202, 503]);
  if (answer.status === 503) {
    refused.add(1);
    refusing.add(answer.timings.duration);
  } else {
    kept.add(1);
  }
}
