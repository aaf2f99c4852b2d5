/*!
How much memory this process has taken at most.
*/

/// The largest resident set so far, in bytes; none where the operating system doesn't say (it is read from Linux's /proc).
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn it_grows_with_what_is_touched() {
        let before = super::peak_memory().unwrap();
        let touched = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(super::peak_memory().unwrap() >= before.max(touched.len() as u64));
    }
}
