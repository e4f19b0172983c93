use std::process::Command;

/// Sends a signal to a process that this suite started.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().expect("kill");
    assert!(sent.success(), "kill -{name} {process}");
}

/// Sends a signal to a group of processes that this suite started.
pub fn signal_group(group: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), "--", &format!("-{group}")]).status();
    assert!(sent.expect("kill").success(), "kill -{name} -{group}");
}
