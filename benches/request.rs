//! Requests a second over HTTP, beside a bare actix-web handler that takes the same request and gives as long an
//! answer: on embedded engines, and on servers. What a durable create can reach at most is composed of more than that:
//! `load-tests/compare`.

use std::cell::LazyCell;
use std::net::SocketAddr;
use std::time::Duration;

use crate::support::http::{Until, create, get, load, start_bare};
use crate::support::runtime;
use crate::support::service::{CHATS, PATIENT, Service, Stack};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

fn request(criterion: &mut Criterion) {
    measure(criterion, "request", Stack::embedded, &[1, 64]);
}

fn request_on_servers(criterion: &mut Criterion) {
    if !Stack::has_servers() {
        return;
    }
    let stack = || {
        let runtime = runtime();
        runtime.block_on(Stack::on_servers())
    };
    measure(criterion, "request on servers", stack, &[1, 64, 256]);
}

fn measure(criterion: &mut Criterion, group: &str, stack: impl Fn() -> Stack, connections: &[usize]) {
    let runtime = runtime();
    let bare = LazyCell::new(start_bare);
    let ours = LazyCell::new(|| {
        let ours = Service::start(&stack(), &PATIENT);
        let chats = runtime.block_on(ours.fill());
        (ours, chats)
    });
    let mut group = criterion.benchmark_group(group);
    group.sample_size(10).measurement_time(Duration::from_secs(8)).throughput(Throughput::Elements(1));
    for &connections in connections {
        let mut measure = |name: &str, asked: &dyn Fn() -> (SocketAddr, Vec<String>)| {
            group.bench_function(BenchmarkId::new(name, connections), |bencher| {
                let (address, requests) = asked();
                bencher.iter_custom(|times| {
                    let each = times.div_ceil(connections as u64);
                    let (answered, elapsed) =
                        runtime.block_on(load(address, &requests, connections, Until::Times(each)));
                    elapsed.mul_f64(times as f64 / answered as f64)
                });
            });
        };
        let messages = |chat: usize| create(&format!("{}/{chat}/messages", ours.1));
        // A hundred of them, so that no two who ask at once ask for the same.
        let read = |path: &str| (1..=100).map(|it| get(&format!("{}/{path}{it}", ours.1))).collect();
        measure("create, kept", &|| (ours.0.address, vec![messages(1)]));
        measure("create, kept, over 10,000 chats", &|| (ours.0.address, (1..=CHATS).map(messages).collect()));
        measure("create, bare handler", &|| (*bare, vec![create("/create")]));
        measure("read one message", &|| (ours.0.address, read("1/messages/")));
        measure("list 50 messages", &|| (ours.0.address, read("1/messages?limit=50&after=")));
        measure("read, bare handler", &|| (*bare, vec![get("/read")]));
        measure("list, bare handler", &|| (*bare, vec![get("/list")]));
    }
    group.finish();
}

criterion_group!(benches, request, request_on_servers);
