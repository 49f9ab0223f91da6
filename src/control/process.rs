//! What the system says of this process, read from /proc.

use std::fs;

use crate::metrics::Process;

/// Linux counts processor time for programs in hundredths of a second, on every architecture that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// None where /proc is not there.
pub(super) fn look() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name of the program, in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    // Counted from the third field of proc_pid_stat(5) on.
    let ticks = |position: usize| fields.get(position - 3)?.parse::<f64>().ok();
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |name: &str| Some(1024 * number_behind(&status, name)?);
    Some(Process {
        cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
        resident_bytes: bytes("VmRSS:")?,
        virtual_bytes: bytes("VmSize:")?,
        open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        open_files_max: number_behind(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")?,
        start_seconds: number_behind(&fs::read_to_string("/proc/stat").ok()?, "btime")? as f64
            + ticks(22)? / TICKS_PER_SECOND,
    })
}

/// The number that follows a line's first words.
fn number_behind(text: &str, words: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(words))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_itself() {
        let process = look().unwrap();
        assert!(process.resident_bytes > 0 && process.resident_bytes <= process.virtual_bytes);
        assert!(process.open_files > 2 && process.open_files <= process.open_files_max);
        assert!(process.start_seconds > 1.6e9, "{process:?}");
    }
}
