use serde_json::json;

use super::{is_moment, is_problem, keys};
use crate::support::Service;

const CHAT: [&str; 5] = ["application_token", "created_at", "messages_count", "number", "updated_at"];

#[tokio::test]
async fn a_chat_is_created_read_and_deleted_and_its_number_is_not_used_again() {
    let service = Service::start();
    let application = service.new_application().await;
    let chats = format!("{application}/chats");
    let token = application.rsplit('/').next();
    for number in 1..=3 {
        let made = service.send(service.request(reqwest::Method::POST, &chats)).await.expect(201);
        let answer = made.json();
        assert_eq!(keys(&answer), ["chat_number", "data", "message"]);
        assert_eq!((&answer["message"], &answer["chat_number"]), (&json!("success"), &json!(number)));
        let chat = &answer["data"];
        assert_eq!(keys(chat), CHAT);
        assert_eq!(
            (&chat["number"], chat["application_token"].as_str(), &chat["messages_count"]),
            (&json!(number), token, &json!(0))
        );
        assert!(is_moment(&chat["created_at"]) && is_moment(&chat["updated_at"]), "{chat}");
        assert_eq!(made.header("location"), format!("{chats}/{number}"));
        let read = service.get(&format!("{chats}/{number}")).await.expect(200).json();
        assert_eq!(read, json!({"message": "success", "data": chat}));
    }
    let deleted = service.delete(&format!("{chats}/3")).await.expect(204);
    assert_eq!(deleted.text, "");
    for gone in [
        service.get(&format!("{chats}/3")).await,
        service.delete(&format!("{chats}/3")).await,
        service.get(&format!("{chats}/3/messages")).await,
        service.post(&format!("{chats}/3/messages"), &json!({"body": "late"})).await,
        service.post(&format!("{chats}/3/messages/search"), &json!({"query": "late"})).await,
        service.get(&format!("{chats}/4")).await,
        service.get(&format!("{chats}/01")).await,
    ] {
        is_problem(&gone, 404, "not_found", "Couldn't find Chat");
    }
    assert_eq!(service.new_chat(&application).await, format!("{chats}/4"));
    let listed = service.get(&chats).await.expect(200).json();
    assert_eq!(keys(&listed), ["cursor", "data", "message"]);
    let numbers: Vec<_> =
        listed["data"].as_array().expect("a list").iter().map(|chat| chat["number"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(4)]);
    assert!(listed["data"].as_array().is_some_and(|chats| chats.iter().all(|chat| keys(chat) == CHAT)));
}
