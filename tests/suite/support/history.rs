use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{Client, Reply};

/// What clients asked for and what they were told, in the order in which it happened. Cloning shares it.
///
/// A parent is the path of the list that its children are created at and read from. A body belongs to one
/// operation only; what has no body (a chat) is told apart by its number alone.
#[derive(Debug, Clone, Default)]
pub struct History {
    operations: Arc<Mutex<Vec<Operation>>>,
    clock: Arc<std::sync::atomic::AtomicU64>,
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub client: usize,
    pub parent: String,
    pub body: Option<String>,
    pub end: End,
    invoked_at: u64,
    ended_at: u64,
}

/// How an operation ended, as its client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Created, under this number.
    Ok(u64),
    /// Certainly not created.
    Fail,
    /// No answer, or one that says that nobody knows.
    Unknown,
}

impl End {
    /// The number answered.
    #[track_caller]
    pub fn number(self) -> u64 {
        match self {
            Self::Ok(number) => number,
            Self::Fail | Self::Unknown => panic!("not created: {self:?}"),
        }
    }
}

/// Names one operation of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationId(usize);

/// One child of a parent, as it is read at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub number: u64,
    pub body: Option<String>,
}

/// Whether numbers may be missing from what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Every number from 1 to the greatest is there.
    Dense,
    /// Tombstones, which no reader sees, may fill the line.
    WithTombstones,
}

/// One way in which what is there contradicts what clients were told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Answered, and not there.
    Missing { parent: String, number: u64 },
    /// Answered, and another body is there.
    Changed { parent: String, number: u64, found: Option<String> },
    /// One number was the answer to two operations.
    AnsweredTwice { parent: String, number: u64 },
    /// One number is there twice.
    NumberTwice { parent: String, number: u64 },
    /// A number below the greatest is not there.
    Gap { parent: String, number: u64 },
    /// Certainly refused, and there all the same.
    RefusedButThere { parent: String, number: u64 },
    /// One operation is there more than once.
    KeptTwice { parent: String, numbers: Vec<u64> },
    /// Nobody sent this to this parent.
    NobodySent { parent: String, number: u64 },
    /// More children without a body are there than were asked for.
    TooMany { parent: String, there: usize, at_most: usize },
    /// A client was given a smaller number than it had been answered before it asked.
    Backwards { parent: String, client: usize, earlier: u64, later: u64 },
}

impl History {
    pub fn invoke(&self, client: usize, parent: &str, body: Option<&str>) -> OperationId {
        let mut operations = self.operations.lock().expect("no panic");
        operations.push(Operation {
            client,
            parent: parent.to_owned(),
            body: body.map(str::to_owned),
            end: End::Unknown,
            invoked_at: self.tick(),
            ended_at: u64::MAX,
        });
        OperationId(operations.len() - 1)
    }

    /// What has no end is unknown. An unknown may be settled later by asking again with its key.
    pub fn end(&self, operation: OperationId, end: End) {
        let mut operations = self.operations.lock().expect("no panic");
        operations[operation.0].end = end;
        operations[operation.0].ended_at = self.tick();
    }

    /// One creation from its request to its answer.
    pub async fn create(
        &self,
        client: usize,
        service: &Client,
        parent: &str,
        body: Option<&str>,
    ) -> (OperationId, End) {
        let operation = self.invoke(client, parent, body);
        let end = end_of(service.try_send(creation(service, parent, body)).await);
        self.end(operation, end);
        (operation, end)
    }

    pub fn operations(&self) -> Vec<Operation> {
        self.operations.lock().expect("no panic").clone()
    }

    /// Reads every parent that was written to, and says what is wrong.
    pub async fn faults(&self, service: &Client, line: Line) -> Vec<Fault> {
        let operations = self.operations();
        let parents: BTreeSet<&str> = operations.iter().map(|operation| &*operation.parent).collect();
        let mut contents = BTreeMap::new();
        for parent in parents {
            contents.insert(parent.to_owned(), read(service, parent).await);
        }
        check(&operations, &contents, line)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }
}

/// The request that creates a child.
pub fn creation(service: &Client, parent: &str, body: Option<&str>) -> RequestBuilder {
    service.request(Method::POST, parent).json(&body.map_or(json!({}), |body| json!({"body": body})))
}

/// What an answer to a creation says about it.
pub fn end_of(answer: Result<Reply, reqwest::Error>) -> End {
    let reply = match answer {
        Ok(reply) => reply,
        // Nothing was sent.
        Err(error) if error.is_connect() => return End::Fail,
        Err(_) => return End::Unknown,
    };
    match reply.status.as_u16() {
        201 | 202 => {
            let answer = reply.json();
            let number = answer["message_number"].as_u64().or(answer["chat_number"].as_u64());
            End::Ok(number.unwrap_or_else(|| panic!("no number in {answer}")))
        }
        // The copy was refused; its first request may be kept.
        409 => End::Unknown,
        400..500 => End::Fail,
        503 if reply.code() == "not_taken" => End::Fail,
        _ => End::Unknown,
    }
}

/// All children of a parent, page by page.
pub async fn read(service: &Client, parent: &str) -> Vec<Found> {
    let children = service.all(parent).await;
    let found = children.iter().map(|child| Found {
        number: child["number"].as_u64().expect("a number"),
        body: child["body"].as_str().map(str::to_owned),
    });
    found.collect()
}

/// Holds what clients were told against what is there. A parent without contents has none.
pub fn check(operations: &[Operation], contents: &BTreeMap<String, Vec<Found>>, line: Line) -> Vec<Fault> {
    let mut asked: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for parent in contents.keys() {
        asked.insert(parent, Vec::new());
    }
    for operation in operations {
        asked.entry(&operation.parent).or_default().push(operation);
    }
    let mut faults = Vec::new();
    for (parent, operations) in asked {
        let found = contents.get(parent).map_or(&[][..], Vec::as_slice);
        let parent = Parent { path: parent, operations, found };
        parent.check_answers(&mut faults);
        parent.check_line(line, &mut faults);
        parent.check_origins(&mut faults);
        parent.check_clients(&mut faults);
    }
    faults.sort();
    faults
}

/// One parent under the eye of the checker.
struct Parent<'a> {
    path: &'a str,
    operations: Vec<&'a Operation>,
    found: &'a [Found],
}

impl Parent<'_> {
    fn name(&self) -> String {
        self.path.to_owned()
    }

    /// What was answered is there, unchanged, and no number was answered twice.
    fn check_answers(&self, faults: &mut Vec<Fault>) {
        let by_number: HashMap<u64, &Found> = self.found.iter().map(|found| (found.number, found)).collect();
        let mut answered = BTreeSet::new();
        for operation in &self.operations {
            let End::Ok(number) = operation.end else { continue };
            if !answered.insert(number) {
                faults.push(Fault::AnsweredTwice { parent: self.name(), number });
            }
            match by_number.get(&number) {
                None => faults.push(Fault::Missing { parent: self.name(), number }),
                Some(found) if found.body != operation.body => {
                    let found = found.body.clone();
                    faults.push(Fault::Changed { parent: self.name(), number, found });
                }
                Some(_) => {}
            }
        }
    }

    /// What is there is exactly 1..N.
    fn check_line(&self, line: Line, faults: &mut Vec<Fault>) {
        let mut there = BTreeSet::new();
        for found in self.found {
            if !there.insert(found.number) {
                faults.push(Fault::NumberTwice { parent: self.name(), number: found.number });
            }
        }
        let greatest = there.last().copied().unwrap_or(0);
        if line == Line::Dense {
            let gaps = (1..=greatest).filter(|number| !there.contains(number));
            faults.extend(gaps.map(|number| Fault::Gap { parent: self.name(), number }));
        }
    }

    /// What is there was sent, not refused, and is there once.
    fn check_origins(&self, faults: &mut Vec<Fault>) {
        let sent: HashMap<&str, End> = self
            .operations
            .iter()
            .filter_map(|operation| Some((operation.body.as_deref()?, operation.end)))
            .collect();
        let mut numbers: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for found in self.found {
            let Some(body) = found.body.as_deref() else { continue };
            let number = found.number;
            match sent.get(body) {
                None => faults.push(Fault::NobodySent { parent: self.name(), number }),
                Some(End::Fail) => faults.push(Fault::RefusedButThere { parent: self.name(), number }),
                Some(End::Ok(_) | End::Unknown) => {}
            }
            numbers.entry(body).or_default().push(number);
        }
        for numbers in numbers.into_values().filter(|numbers| numbers.len() > 1) {
            faults.push(Fault::KeptTwice { parent: self.name(), numbers });
        }
        let there = self.found.iter().filter(|found| found.body.is_none()).count();
        let may_be_there = |operation: &&&Operation| operation.body.is_none() && operation.end != End::Fail;
        let at_most = self.operations.iter().filter(may_be_there).count();
        if there > at_most {
            faults.push(Fault::TooMany { parent: self.name(), there, at_most });
        }
    }

    /// What a client asks for after an answer has a larger number than that answer.
    fn check_clients(&self, faults: &mut Vec<Fault>) {
        let mut clients: BTreeMap<usize, Vec<&Operation>> = BTreeMap::new();
        for operation in &self.operations {
            clients.entry(operation.client).or_default().push(operation);
        }
        for (client, mut asked) in clients {
            asked.sort_by_key(|operation| operation.invoked_at);
            let mut answered: Vec<(u64, u64)> = asked
                .iter()
                .filter_map(|operation| match operation.end {
                    End::Ok(number) => Some((operation.ended_at, number)),
                    End::Fail | End::Unknown => None,
                })
                .collect();
            answered.sort_unstable();
            let mut answered = answered.into_iter().peekable();
            let mut greatest = 0;
            for operation in asked {
                while let Some((_, number)) = answered.next_if(|(at, _)| *at < operation.invoked_at) {
                    greatest = greatest.max(number);
                }
                if let End::Ok(later) = operation.end
                    && later < greatest
                {
                    let parent = self.name();
                    faults.push(Fault::Backwards { parent, client, earlier: greatest, later });
                }
            }
        }
    }
}

mod tests {
    use super::*;

    const CHAT: &str = "/chats/1/messages";

    /// Sequential operations of client 0 on one chat.
    fn history(operations: &[(&str, End)]) -> Vec<Operation> {
        let history = History::default();
        for (body, end) in operations {
            let operation = history.invoke(0, CHAT, Some(body));
            history.end(operation, *end);
        }
        history.operations()
    }

    fn messages(found: &[(u64, &str)]) -> BTreeMap<String, Vec<Found>> {
        let found = found.iter().map(|(number, body)| Found { number: *number, body: Some((*body).into()) });
        BTreeMap::from([(CHAT.to_owned(), found.collect())])
    }

    fn chats(numbers: &[u64]) -> BTreeMap<String, Vec<Found>> {
        let found = numbers.iter().map(|number| Found { number: *number, body: None });
        BTreeMap::from([(CHAT.to_owned(), found.collect())])
    }

    fn parent() -> String {
        CHAT.to_owned()
    }

    #[test]
    fn a_good_history_has_no_fault() {
        let operations = history(&[
            ("a", End::Ok(1)),
            ("b", End::Unknown),
            ("c", End::Fail),
            ("d", End::Ok(3)),
            ("e", End::Unknown),
        ]);
        assert_eq!(check(&operations, &messages(&[(1, "a"), (2, "b"), (3, "d")]), Line::Dense), []);
        assert_eq!(check(&[], &BTreeMap::new(), Line::Dense), []);
    }

    #[test]
    fn an_answer_whose_message_is_missing_is_found_at_the_end_of_the_line_too() {
        let operations = history(&[("a", End::Ok(1)), ("b", End::Ok(2))]);
        let missing = Fault::Missing { parent: parent(), number: 2 };
        assert_eq!(check(&operations, &messages(&[(1, "a")]), Line::Dense), std::slice::from_ref(&missing));
        let all_gone = [Fault::Missing { parent: parent(), number: 1 }, missing];
        assert_eq!(check(&operations, &BTreeMap::new(), Line::WithTombstones), all_gone);
    }

    #[test]
    fn a_body_that_changed_is_found() {
        let operations = history(&[("a", End::Ok(1)), ("b", End::Ok(2))]);
        let faults = check(&operations, &messages(&[(1, "b"), (2, "a")]), Line::Dense);
        let changed =
            |number, found: &str| Fault::Changed { parent: parent(), number, found: Some(found.into()) };
        assert_eq!(faults, [changed(1, "b"), changed(2, "a")]);
    }

    #[test]
    fn a_number_answered_twice_is_found() {
        let operations = history(&[("a", End::Ok(1)), ("b", End::Ok(1))]);
        let faults = check(&operations, &messages(&[(1, "b")]), Line::Dense);
        assert!(faults.contains(&Fault::AnsweredTwice { parent: parent(), number: 1 }), "{faults:?}");
    }

    #[test]
    fn a_number_that_is_there_twice_is_found() {
        let operations = history(&[("a", End::Ok(1)), ("b", End::Unknown)]);
        let faults = check(&operations, &messages(&[(1, "b"), (1, "a")]), Line::Dense);
        assert_eq!(faults, [Fault::NumberTwice { parent: parent(), number: 1 }]);
    }

    #[test]
    fn a_gap_is_found_at_the_beginning_too_unless_tombstones_may_fill_it() {
        let operations = history(&[("a", End::Unknown), ("b", End::Ok(2)), ("d", End::Ok(4))]);
        let there = messages(&[(2, "b"), (4, "d")]);
        let gap = |number| Fault::Gap { parent: parent(), number };
        assert_eq!(check(&operations, &there, Line::Dense), [gap(1), gap(3)]);
        assert_eq!(check(&operations, &there, Line::WithTombstones), []);
    }

    #[test]
    fn a_refused_message_that_is_there_is_found() {
        let operations = history(&[("a", End::Fail)]);
        let faults = check(&operations, &messages(&[(1, "a")]), Line::Dense);
        assert_eq!(faults, [Fault::RefusedButThere { parent: parent(), number: 1 }]);
    }

    #[test]
    fn a_message_that_is_there_twice_is_found_however_it_ended() {
        for end in [End::Unknown, End::Ok(1)] {
            let faults = check(&history(&[("a", end)]), &messages(&[(1, "a"), (2, "a")]), Line::Dense);
            assert_eq!(faults, [Fault::KeptTwice { parent: parent(), numbers: vec![1, 2] }]);
        }
    }

    #[test]
    fn a_message_that_nobody_sent_there_is_found() {
        let operations = history(&[("a", End::Ok(1))]);
        let faults = check(&operations, &messages(&[(1, "a"), (2, "x")]), Line::Dense);
        assert_eq!(faults, [Fault::NobodySent { parent: parent(), number: 2 }]);
        let elsewhere =
            BTreeMap::from([("/chats/2/messages".to_owned(), messages(&[(1, "a")])[CHAT].clone())]);
        let faults = check(&operations, &elsewhere, Line::Dense);
        let strange = Fault::NobodySent { parent: "/chats/2/messages".into(), number: 1 };
        assert_eq!(faults, [Fault::Missing { parent: parent(), number: 1 }, strange]);
    }

    #[test]
    fn a_later_answer_with_a_smaller_number_is_found() {
        let operations = history(&[("a", End::Ok(2)), ("b", End::Unknown), ("c", End::Ok(1))]);
        let faults = check(&operations, &messages(&[(1, "c"), (2, "a")]), Line::Dense);
        assert_eq!(faults, [Fault::Backwards { parent: parent(), client: 0, earlier: 2, later: 1 }]);
    }

    #[test]
    fn what_was_asked_for_side_by_side_may_be_numbered_either_way() {
        let history = History::default();
        let first = history.invoke(0, CHAT, Some("a"));
        let second = history.invoke(0, CHAT, Some("b"));
        history.end(first, End::Ok(2));
        history.end(second, End::Ok(1));
        let other = history.invoke(1, CHAT, Some("c"));
        history.end(other, End::Ok(3));
        let there = messages(&[(1, "b"), (2, "a"), (3, "c")]);
        assert_eq!(check(&history.operations(), &there, Line::Dense), []);
    }

    #[test]
    fn chats_are_told_apart_by_their_numbers() {
        let history = History::default();
        for end in [End::Ok(1), End::Unknown, End::Fail] {
            let operation = history.invoke(0, CHAT, None);
            history.end(operation, end);
        }
        assert_eq!(check(&history.operations(), &chats(&[1, 2]), Line::Dense), []);
        let faults = check(&history.operations(), &chats(&[1, 2, 3]), Line::Dense);
        assert_eq!(faults, [Fault::TooMany { parent: parent(), there: 3, at_most: 2 }]);
        let faults = check(&history.operations(), &chats(&[2, 2]), Line::Dense);
        let number_twice = Fault::NumberTwice { parent: parent(), number: 2 };
        let missing = Fault::Missing { parent: parent(), number: 1 };
        assert_eq!(faults, [missing, number_twice, Fault::Gap { parent: parent(), number: 1 }]);
    }

    #[test]
    fn what_was_settled_later_counts_as_answered() {
        let history = History::default();
        let operation = history.invoke(0, CHAT, Some("a"));
        history.end(operation, End::Unknown);
        history.end(operation, End::Ok(1));
        let faults = check(&history.operations(), &BTreeMap::new(), Line::Dense);
        assert_eq!(faults, [Fault::Missing { parent: parent(), number: 1 }]);
    }
}
