use std::time::{Duration, Instant};

/// How long each of some answers took.
#[derive(Debug, Default)]
pub struct Pace(Vec<Duration>);

impl FromIterator<Pace> for Pace {
    fn from_iter<I: IntoIterator<Item = Pace>>(paces: I) -> Self {
        Self(paces.into_iter().flat_map(|pace| pace.0).collect())
    }
}

impl Pace {
    /// Asks and remembers how long it took.
    pub async fn time<T>(&mut self, ask: impl Future<Output = T>) -> T {
        let asked = Instant::now();
        let answer = ask.await;
        self.0.push(asked.elapsed());
        answer
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn median(&self) -> Duration {
        self.share(50)
    }

    /// What so many of a hundred stayed within.
    pub fn share(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * percent / 100]
    }

    pub fn longest(&self) -> Duration {
        self.share(100)
    }
}
