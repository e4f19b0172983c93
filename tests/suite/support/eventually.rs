use std::time::{Duration, Instant};

/// Asks again until the answer is yes. Panics with the last answer when `within` is over: a bound for what is
/// promised to happen soon, not a pause.
pub async fn eventually<T: std::fmt::Debug>(
    within: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(why) if Instant::now() >= deadline => panic!("{what}: not within {within:?}; last: {why}"),
            Err(_not_yet) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
