//! The machine that all sides share, as Linux tells of it (proc(5)).

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Processor times are told in ticks of 10 ms (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// Busy or not is looked at over this time.
pub const LOOK: Duration = Duration::from_millis(100);
/// What the machine does besides is waited for no longer.
const OTHERS_LIMIT: Duration = Duration::from_secs(10);

/// What it is.
pub fn name() -> String {
    let said = |file: &str, start: &str| -> Option<String> {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(start))?;
        Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let model = said("/proc/cpuinfo", "model name").unwrap_or_else(|| "a processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = said("/etc/os-release", "PRETTY_NAME=").unwrap_or_default();
    let kernel = said("/proc/sys/kernel/osrelease", "").unwrap_or_default();
    format!(
        "{model}, {cores} cores shared by client, service and servers; {}, Linux {kernel}",
        system.trim_matches('"')
    )
}

/// Processor time that a process took.
pub fn time_of(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("its times");
    let (_name, rest) = stat.rsplit_once(')').expect("a name");
    // User and system.
    ticks(rest.split_whitespace().skip(11).take(2))
}

/// Processor time that everybody took but this process: service, servers and the system below them.
pub fn time_of_others() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").expect("the times of the processors");
    let line = stat.lines().next().expect("their sum");
    // User, nice, system, interrupts and soft interrupts; between them idle and waiting for a disk.
    let fields: Vec<&str> = line.split_whitespace().skip(1).collect();
    let all = ticks([0, 1, 2, 5, 6].into_iter().map(|place| fields[place]));
    all.saturating_sub(time_of(std::process::id()))
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    fields.map(|field| TICK * field.parse::<u32>().expect("a number")).sum()
}

/// Waits until nobody works: servers go on for a while after their last answer.
pub async fn idle() {
    let started = Instant::now();
    let mut before = time_of_others();
    while started.elapsed() < OTHERS_LIMIT {
        sleep(LOOK).await;
        let now = time_of_others();
        if now.saturating_sub(before) < LOOK / 5 {
            return;
        }
        before = now;
    }
    eprintln!("the machine is busy still; what is measured now may be less than what it can do");
}
