use std::sync::Arc;
use std::time::Duration;

use chat_system::connections::MysqlOptions;
use chat_system::store::mysql::MysqlStore;
use chat_system::store::{Company, Entered, Nodes as _, StoreError};

use super::{InDatabase, ask, options, said};
use crate::contract::side_by_side;
use crate::support::eventually;
use crate::support::servers::{Kind, unique};

on_servers! {
    ten_nodes_that_open_an_empty_database_at_once_bring_it_up_once,
    a_wrong_password_is_said_and_the_store_opens_when_it_is_mended,
    a_missing_database_is_said_and_the_store_opens_when_it_is_there,
    a_store_of_a_newer_program_is_left_alone,
    a_read_only_server_is_said_and_the_store_opens_when_it_can_be_written,
    unsafe_settings_are_said,
}

/// Looks as often as a store lets itself be opened again.
const MENDED_WITHIN: Duration = Duration::from_secs(20);

async fn opens(store: &MysqlStore) {
    let enters = async || store.enter(Company::Many).await.map_err(|error| said(&error));
    let entered = eventually(MENDED_WITHIN, "the store opens", enters).await;
    assert!(matches!(entered, Entered::In { .. }));
}

/// The one line that an operator reads, which has nothing in it that is secret.
async fn refusal(store: &MysqlStore) -> String {
    let error = store.enter(Company::Many).await.expect_err("refused");
    assert!(matches!(error, StoreError::Away(_)), "it can be mended: {error:?}");
    let said = said(&error);
    assert!(!said.contains('\n') && !said.contains("secret"), "{said}");
    said
}

async fn ten_nodes_that_open_an_empty_database_at_once_bring_it_up_once(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    let nodes: Vec<_> = (0..10).map(|_| place.node(options())).collect();
    side_by_side(10, move |node| {
        let node = Arc::clone(&nodes[usize::try_from(node).expect("ten")]);
        async move { opens(&node).await }
    })
    .await;
    let applied = ask(&place.url(), "SELECT version FROM refinery_schema_history").await;
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/mysql")).expect("migrations");
    assert_eq!(applied.len(), files.count(), "each migration once");
    assert_eq!(ask(&place.url(), "SELECT id FROM nodes").await.len(), 10);
}

/// A URL of a user who may do anything in one database and nothing else.
async fn user(server: &str, database: &str, password: &str) -> String {
    let user = unique("user_");
    ask(server, &format!("CREATE USER {user} IDENTIFIED BY 'secret right'")).await;
    ask(server, &format!("GRANT ALL ON {database}.* TO {user}")).await;
    let address = server.rsplit_once('@').expect("a user").1;
    format!("mysql://{user}:{password}@{address}/{database}")
}

async fn a_wrong_password_is_said_and_the_store_opens_when_it_is_mended(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    let url = user(&place.server, &place.database, "secret%20wrong").await;
    let store = MysqlStore::new(&url, options()).expect("a store");
    let said = refusal(&store).await;
    assert!(said.contains("refuses the user or the password"), "{said}");
    let name = url.split(['/', ':']).find(|part| part.starts_with("user_")).expect("a user");
    ask(&place.server, &format!("ALTER USER {name} IDENTIFIED BY 'secret wrong'")).await;
    opens(&store).await;
}

async fn a_missing_database_is_said_and_the_store_opens_when_it_is_there(kind: Kind) {
    let Some(server) = kind.shared() else { return };
    let place = InDatabase { server, database: unique("late_") };
    let store = MysqlStore::new(&place.url(), options()).expect("a store");
    let said = refusal(&store).await;
    assert!(said.contains("has no such database") && said.contains(&place.database), "{said}");
    ask(&place.server, &format!("CREATE DATABASE {}", place.database)).await;
    opens(&store).await;
}

async fn a_store_of_a_newer_program_is_left_alone(kind: Kind) {
    let Some(place) = InDatabase::shared(kind).await else { return };
    opens(&place.node(options())).await;
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (9999, 'of_tomorrow', '2030-01-01T00:00:00Z', '1')";
    ask(&place.url(), newer).await;
    let store = place.node(options());
    let said = refusal(&store).await;
    assert!(said.contains("newer version of this program"), "{said}");
    ask(&place.url(), "DELETE FROM refinery_schema_history WHERE version = 9999").await;
    opens(&store).await;
}

async fn a_read_only_server_is_said_and_the_store_opens_when_it_can_be_written(kind: Kind) {
    let Some(server) = kind.start(&[]) else { return };
    let place = InDatabase::on(&server.url()).await;
    let url = user(&place.server, &place.database, "secret%20right").await;
    ask(&place.server, "SET GLOBAL read_only = 1").await;
    let store = MysqlStore::new(&url, options()).expect("a store");
    let said = refusal(&store).await;
    assert!(said.contains("is read-only"), "{said}");
    ask(&place.server, "SET GLOBAL read_only = 0").await;
    opens(&store).await;
    ask(&place.server, "SET GLOBAL read_only = 1").await;
    let said = refusal(&store).await;
    assert!(said.contains("read-only") || said.contains("read_only"), "{said}");
    assert!(store.warnings().await.expect("warnings").iter().any(|warning| warning.contains("read-only")));
    ask(&place.server, "SET GLOBAL read_only = 0").await;
    opens(&store).await;
}

async fn unsafe_settings_are_said(kind: Kind) {
    let Some(server) = kind.start(&["--innodb-flush-log-at-trx-commit=2"]) else { return };
    let place = InDatabase::on(&server.url()).await;
    let store = place.node(options());
    let warnings = store.warnings().await.expect("warnings");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("innodb_flush_log_at_trx_commit is not 1"), "{warnings:?}");
    ask(&place.server, "SET GLOBAL innodb_flush_log_at_trx_commit = 1").await;
    assert_eq!(store.warnings().await.expect("warnings"), Vec::<String>::new());
}

#[test]
fn a_url_that_names_no_database_is_refused_without_its_password() {
    for url in ["mysql://user:secret@host:3306", "mysql://user:secret@host:3306/name?no_such_thing=1"] {
        let error = MysqlStore::new(url, MysqlOptions { ..options() }).err().expect("refused").to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
