//! What a client can do wrong: each gets its own answer, none gets a 5xx or nothing, and nothing is lost by it.

/// What is sent, and what has to come back.
mod case;
/// Bodies of requests.
mod bodies;
/// Names, messages and queries.
mod texts;
/// Paths, cursors and query strings.
mod places;
/// Methods and headers.
mod heads;
/// What is hardly HTTP.
mod protocol;
/// Clients without haste, and bodies without end.
mod slow;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Service;
use case::{Case, Expected};

#[tokio::test]
async fn every_bad_request_gets_its_own_answer_and_nothing_is_lost_by_it() {
    let service = Service::start();
    let application = service.new_application().await;
    let chat = service.new_chat(&application).await;
    service.say(&chat, "unchanged").await;
    let before = service.get(&format!("{chat}/messages/1")).await.expect(200);

    let cases: Vec<Case> =
        [bodies::cases(), texts::cases(), places::cases(), heads::cases(), protocol::cases()]
            .into_iter()
            .flatten()
            .collect();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let mut wrong = Vec::new();
    let mut created = 1;
    for case in &cases {
        let started = Instant::now();
        match case.run(&service.url, &application, &chat).await {
            Err(why) => wrong.push(why),
            Ok(reply) => {
                created += u64::from(String::from_utf8_lossy(&reply.body).contains("\"message_number\""))
            }
        }
        if started.elapsed() > Duration::from_secs(5) {
            wrong.push(format!("{}: took {:?}", case.name, started.elapsed()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));

    let after = service.get(&format!("{chat}/messages/1")).await.expect(200);
    assert_eq!((after.text.as_str(), after.header("etag")), (before.text.as_str(), before.header("etag")));
    let numbers: Vec<_> =
        service.all(&format!("{chat}/messages")).await.iter().map(|m| m["number"].as_u64()).collect();
    assert_eq!(numbers, (1..=created).map(Some).collect::<Vec<_>>());
    assert_eq!(service.say(&chat, "and on").await, created + 1);
    assert_eq!(service.get("/health/ready").await.expect(200).json()["status"], json!("ready"));
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

#[test]
fn no_case_expects_a_mistake_of_the_service_and_no_two_have_the_same_name() {
    let cases: Vec<Case> =
        [bodies::cases(), texts::cases(), places::cases(), heads::cases(), protocol::cases()]
            .into_iter()
            .flatten()
            .collect();
    let mut names = std::collections::BTreeSet::new();
    for case in &cases {
        let (Expected::Refused(status, _) | Expected::Taken(status) | Expected::Below(status)) =
            case.expected;
        assert!(status < 500, "{}", case.name);
        assert!(names.insert(&case.name), "{}", case.name);
    }
}
