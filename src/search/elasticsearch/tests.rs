use super::*;

const OPTIONS: ElasticsearchOptions = ElasticsearchOptions { timeout: Duration::from_secs(2), tls_ca: None };

fn opened(url: &str) -> Result<ElasticsearchSearch, String> {
    ElasticsearchSearch::new(url, &OPTIONS).map_err(|error| error.to_string())
}

#[test]
fn the_path_of_the_url_is_the_alias() {
    for (url, alias) in [
        ("http://localhost:9200", "chat-messages"),
        ("http://localhost:9200/", "chat-messages"),
        ("https://user:p%40ss@localhost/team-7.chats_2/", "team-7.chats_2"),
    ] {
        assert_eq!(opened(url).map(|search| search.aliases.present().to_owned()).as_deref(), Ok(alias));
    }
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_its_password() {
    for url in [
        "http://user:secret@",
        "http://user:secret@host:port/",
        "http://user:secret@host/Upper",
        "http://user:secret@host/-first",
        "http://user:secret@host/two/parts",
        "http://user:secret@host/star*",
    ] {
        let said = opened(url).err().unwrap();
        assert!(!said.contains("secret"), "{said}");
    }
    let options = ElasticsearchOptions { tls_ca: Some("/nowhere/ca.pem".into()), ..OPTIONS };
    let said = ElasticsearchSearch::new("https://host/", &options).err().unwrap().to_string();
    assert!(said.contains("/nowhere/ca.pem"), "{said}");
}

#[test]
fn bulks_shrink_while_the_server_is_slow_and_grow_again() {
    let size = BulkSize::new();
    let whole = size.bytes();
    size.shrink();
    assert_eq!(size.bytes(), whole / 2);
    // What went well does not bring back at once what did not.
    size.grow();
    assert!(size.bytes() < whole * 2 / 3);
    for _ in 0..20 {
        size.shrink();
    }
    assert!(size.bytes() > 0 && size.bytes() < whole / 16);
    for _ in 0..200 {
        size.grow();
    }
    assert_eq!(size.bytes(), whole);
}
