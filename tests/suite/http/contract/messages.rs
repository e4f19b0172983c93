use reqwest::Method;
use serde_json::{Value, json};

use super::{is_moment, is_problem, keys};
use crate::support::{Reply, Service};

const MESSAGE: [&str; 4] = ["body", "created_at", "number", "updated_at"];

async fn chat(service: &Service) -> String {
    let application = service.new_application().await;
    service.new_chat(&application).await
}

async fn change(service: &Service, method: Method, path: &str, tags: &str, body: &Value) -> Reply {
    let request = service.request(method, path).header("If-Match", tags).json(body);
    service.send(request).await
}

#[tokio::test]
async fn a_message_is_created_read_edited_and_deleted_and_its_number_is_not_used_again() {
    let service = Service::start();
    let chat = chat(&service).await;
    for (number, list) in [(1, "messages"), (2, "message"), (3, "messages/")] {
        let made = service.post(&format!("{chat}/{list}"), &json!({"body": "hello"})).await.expect(201);
        let answer = made.json();
        assert_eq!(keys(&answer), ["data", "message", "message_number"]);
        assert_eq!((&answer["message"], &answer["message_number"]), (&json!("success"), &json!(number)));
        let message = &answer["data"];
        assert_eq!(keys(message), MESSAGE);
        assert_eq!((&message["number"], &message["body"]), (&json!(number), &json!("hello")));
        assert!(is_moment(&message["created_at"]) && is_moment(&message["updated_at"]), "{message}");
        assert_eq!(made.header("location"), format!("{chat}/messages/{number}"));
        for noun in ["messages", "message"] {
            let read = service.get(&format!("{chat}/{noun}/{number}")).await.expect(200);
            assert_eq!(read.json(), json!({"message": "success", "data": message}));
        }
    }
    let path = format!("{chat}/message/2");
    let before = service.get(&path).await.expect(200).json();
    for (method, body) in [(Method::PUT, "once"), (Method::PATCH, "twice")] {
        let edited = service
            .send(service.request(method, &path).json(&json!({"body": body})))
            .await
            .expect(200)
            .json();
        assert_eq!(keys(&edited["data"]), MESSAGE);
        assert_eq!((&edited["message"], &edited["data"]["body"]), (&json!("success"), &json!(body)));
        assert_eq!(edited["data"]["created_at"], before["data"]["created_at"]);
        assert!(edited["data"]["updated_at"].as_str() > before["data"]["updated_at"].as_str());
        assert_eq!(service.get(&path).await.expect(200).json(), edited);
    }
    let last = format!("{chat}/messages/3");
    assert_eq!(service.delete(&format!("{chat}/message/3")).await.expect(204).text, "");
    for gone in [
        service.get(&last).await,
        service.delete(&last).await,
        service.put(&last, &json!({"body": "again"})).await,
        service.put(&last, &json!({})).await,
        service.get(&format!("{chat}/messages/0")).await,
    ] {
        is_problem(&gone, 404, "not_found", "Couldn't find Message");
    }
    assert_eq!(service.say(&chat, "next").await, 4);
    let numbers: Vec<_> =
        service.all(&format!("{chat}/message")).await.iter().map(|m| m["number"].as_u64()).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(4)]);
}

#[tokio::test]
async fn a_blank_or_long_body_is_told_what_is_wrong_with_it() {
    let service = Service::start();
    let messages = format!("{}/messages", chat(&service).await);
    for body in [json!({}), json!({"body": null}), json!({"body": ""}), json!({"body": " \u{a0}\n"})] {
        let reply = service.post(&messages, &body).await;
        is_problem(&reply, 400, "invalid", "Body can't be blank");
        assert_eq!(reply.json()["errors"], json!(["Body can't be blank"]));
    }
    let long = json!({"body": "m".repeat(128 * 1024 + 1)});
    is_problem(
        &service.post(&messages, &long).await,
        413,
        "too_large",
        "Body is too long (maximum is 131072 bytes)",
    );
    assert_eq!(service.get(&messages).await.expect(200).json()["data"], json!([]));
}

#[tokio::test]
async fn text_is_kept_byte_for_byte() {
    let service = Service::start();
    let chat = chat(&service).await;
    let texts = [
        "a\0b",
        "שלום \u{202e}abc\u{202c}",
        "👩🏽‍🚀 🏳️‍🌈 🇩🇪",
        "e\u{301} is not é",
        "\u{feff}mark",
        "  white space around \r\n\t ",
        "\u{200b}",
        "\u{ffff}\u{10ffff}\u{e000}",
        "\"quoted\" \\ /slashed/ \u{7f}\u{1}",
        "ﬁ ſ K Å",
        "<b>&amp;</b>",
        "' OR 1=1 --",
    ];
    for text in texts {
        let number = service.say(&chat, text).await;
        let path = format!("{chat}/messages/{number}");
        assert_eq!(service.get(&path).await.expect(200).json()["data"]["body"], text);
        let form = service.request(Method::POST, &format!("{chat}/messages")).form(&[("body", text)]);
        assert_eq!(service.send(form).await.expect(201).json()["data"]["body"], text, "as a form");
        let named = service.post("/api/v1/applications", &json!({"name": text})).await.expect(201).json();
        let token = named["data"]["token"].as_str().expect("a token");
        assert_eq!(service.get(&format!("/api/v1/applications/{token}")).await.json()["data"]["name"], text);
    }
}

#[tokio::test]
async fn bodies_are_json_by_any_name_or_forms_and_a_number_is_its_text() {
    let service = Service::start();
    let messages = format!("{}/messages", chat(&service).await);
    let sent: [(&[&str], &str, &str); 9] = [
        (&[], r#"{"body":"a"}"#, "a"),
        (&["application/json"], r#"{"body":"a"}"#, "a"),
        (&["application/json;charset=utf-8"], r#"{"body":"é"}"#, "é"),
        (&["application/x+json"], r#"{"body":"a"}"#, "a"),
        (&["application/vnd.api+json"], r#"{"body":7}"#, "7"),
        (&["application/json"], r#"{"body":1e999}"#, "1e999"),
        (&["application/json"], r#"{"body":-0.10}"#, "-0.10"),
        (
            &["application/json"],
            r#"{"body":123456789012345678901234567890}"#,
            "123456789012345678901234567890",
        ),
        (&["application/x-www-form-urlencoded"], "body=a+b%26%C3%A9", "a b&é"),
    ];
    for (types, body, text) in sent {
        let request = service.request(Method::POST, &messages).body(body);
        let request =
            types.iter().fold(request, |request, media_type| request.header("Content-Type", *media_type));
        assert_eq!(service.send(request).await.expect(201).json()["data"]["body"], text, "{types:?} {body}");
    }
}

#[tokio::test]
async fn a_change_is_made_only_at_the_version_that_it_names() {
    let service = Service::start();
    let path = format!("{}/messages/{}", chat(&service).await, 1);
    service.post(path.trim_end_matches("/1"), &json!({"body": "first"})).await.expect(201);
    let first = service.get(&path).await.expect(200).header("etag").to_owned();
    assert!(first.starts_with('"') && first.ends_with('"') && first.len() > 2, "{first}");
    let edited = change(&service, Method::PUT, &path, &first, &json!({"body": "second"})).await.expect(200);
    let second = edited.header("etag").to_owned();
    assert_ne!(first, second);
    assert_eq!(service.get(&path).await.expect(200).header("etag"), second);

    let weak = format!("W/{second}");
    for stale in [first.as_str(), "\"x\"", weak.as_str(), "\"\", \"0\""] {
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let refused = change(&service, method, &path, stale, &json!({"body": "lost"})).await;
            is_problem(&refused, 412, "stale_version", "The message is at another version");
        }
        change(&service, Method::PATCH, &path, stale, &json!({})).await.expect(412);
    }
    assert_eq!(service.get(&path).await.expect(200).json(), edited.json());

    let same = change(&service, Method::PATCH, &path, &second, &json!({})).await.expect(200);
    assert_eq!((same.header("etag"), same.json()), (second.as_str(), edited.json()));
    let list = format!("{first} , {second}");
    let third = change(&service, Method::PATCH, &path, &list, &json!({"body": "third"})).await.expect(200);
    let any = change(&service, Method::PUT, &path, "*", &json!({"body": "fourth"})).await.expect(200);
    assert_ne!(third.header("etag"), any.header("etag"));
    change(&service, Method::DELETE, &path, third.header("etag"), &json!(null)).await.expect(412);
    let read =
        async |tags: &str| service.send(service.request(Method::GET, &path).header("If-Match", tags)).await;
    read(third.header("etag")).await.expect(412);
    read("*").await.expect(200);
    change(&service, Method::DELETE, &path, any.header("etag"), &json!(null)).await.expect(204);
    for method in [Method::PUT, Method::DELETE] {
        let gone = change(&service, method, &path, any.header("etag"), &json!({"body": "late"})).await;
        is_problem(&gone, 404, "not_found", "Couldn't find Message");
    }
}

#[tokio::test]
async fn an_edit_of_nothing_changes_nothing() {
    let service = Service::start();
    let path = format!("{}/messages", chat(&service).await);
    service.post(&path, &json!({"body": "said"})).await.expect(201);
    let path = format!("{path}/1");
    let before = service.get(&path).await.expect(200);
    for method in [Method::PUT, Method::PATCH] {
        for nothing in
            [json!({}), json!({"body": null}), json!({"number": 7, "text": "x"}), json!({"body": "said"})]
        {
            let after = service.send(service.request(method.clone(), &path).json(&nothing)).await.expect(200);
            assert_eq!(
                (after.text.as_str(), after.header("etag")),
                (before.text.as_str(), before.header("etag")),
                "{nothing}"
            );
        }
        let empty = service.send(service.request(method, &path)).await.expect(200);
        assert_eq!(
            (empty.text.as_str(), empty.header("etag")),
            (before.text.as_str(), before.header("etag"))
        );
    }
}
