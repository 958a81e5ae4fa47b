//! What the operating system grants this process: memory that can still be had, processors to run on.
//!
//! Linux counts memory per control group. A limit may sit on the process's own group or on any group above it,
//! and a container may see only part of the hierarchy, so every level that can be read is looked at.

use std::path::{Path, PathBuf};

/// Directories in which the memory controller's files of this process may be found, innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    unified: Vec<PathBuf>,
    legacy: Vec<PathBuf>,
}

/// A control group's memory state in bytes; `limit` is `None` when the group is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MemoryGroup {
    limit: Option<u64>,
    used: u64,
    reclaimable: u64,
}

/// Bytes that can be made resident now without meeting a limit: the least of what the machine has available
/// and what each control group above this process leaves. `None` where the system does not tell.
pub fn memory_available() -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| parse_meminfo(&text, "MemAvailable:"));
    let groups = groups().into_iter().filter_map(|g| g.limit.map(|l| l.saturating_sub(g.unreclaimable())));
    groups.chain(machine).min()
}

/// Bytes this process may ever hold: the machine's memory or the tightest control group's limit.
pub fn memory_total() -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| parse_meminfo(&text, "MemTotal:"));
    groups().into_iter().filter_map(|g| g.limit).chain(machine).min()
}

/// Processors to use by default: `RUSTORCH_NUM_THREADS`, else `OMP_NUM_THREADS`, else the affinity mask
/// narrowed by the control group's quota (which the standard library reads for both versions).
pub fn default_threads() -> usize {
    let variable = |name| std::env::var(name).ok().and_then(|text| parse_threads(&text));
    variable("RUSTORCH_NUM_THREADS")
        .or_else(|| variable("OMP_NUM_THREADS"))
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl MemoryGroup {
    /// Page cache counts as used but is given back under pressure before anything is killed.
    fn unreclaimable(self) -> u64 {
        self.used.saturating_sub(self.reclaimable)
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn groups() -> Vec<MemoryGroup> {
    let Some(text) = read("/proc/self/cgroup") else { return Vec::new() };
    let hierarchy = parse_hierarchy(&text);
    let unified = hierarchy.unified.iter().filter_map(|dir| {
        let used = parse_bytes(&read(dir.join("memory.current"))?)?;
        let limit = parse_bytes(&read(dir.join("memory.max"))?);
        Some(MemoryGroup { limit, used, reclaimable: reclaimable(dir, "inactive_file") })
    });
    let legacy = hierarchy.legacy.iter().filter_map(|dir| {
        let used = parse_bytes(&read(dir.join("memory.usage_in_bytes"))?)?;
        let limit = parse_bytes(&read(dir.join("memory.limit_in_bytes"))?);
        Some(MemoryGroup { limit, used, reclaimable: reclaimable(dir, "total_inactive_file") })
    });
    unified.chain(legacy).collect()
}

fn reclaimable(dir: &Path, key: &str) -> u64 {
    read(dir.join("memory.stat")).and_then(|text| parse_stat(&text, key)).unwrap_or(0)
}

/// A byte count or `max`. Version 1 writes "no limit" as a number near the top of the address space.
fn parse_bytes(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok().filter(|&bytes| bytes < 1 << 60)
}

/// The value of a `key count` line.
fn parse_stat(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The value in bytes of a `Key:   123 kB` line.
fn parse_meminfo(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Lines of `/proc/self/cgroup` are `id:controllers:path`; id 0 with no controllers is version 2.
fn parse_hierarchy(text: &str) -> Hierarchy {
    let mut hierarchy = Hierarchy { unified: Vec::new(), legacy: Vec::new() };
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        if controllers.is_empty() {
            hierarchy.unified = levels("/sys/fs/cgroup", path);
        } else if controllers.split(',').any(|name| name == "memory") {
            hierarchy.legacy = levels("/sys/fs/cgroup/memory", path);
        }
    }
    hierarchy
}

/// `root/a/b`, `root/a`, `root` for the path `/a/b`.
fn levels(root: &str, path: &str) -> Vec<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    // A group outside this namespace is shown as `/../..`: only the visible root can be read.
    let inside = !relative.components().any(|part| part.as_os_str() == "..");
    let relative = if inside { relative } else { Path::new("") };
    relative.ancestors().map(|part| Path::new(root).join(part)).collect()
}

/// A positive thread count; OpenMP allows a list with one entry per nesting level, of which the first counts.
fn parse_threads(text: &str) -> Option<usize> {
    text.split(',').next()?.trim().parse().ok().filter(|&count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts() {
        assert_eq!(parse_bytes("1073741824\n"), Some(1 << 30));
        assert_eq!(parse_bytes("max\n"), None);
        assert_eq!(parse_bytes("9223372036854771712\n"), None, "version 1's way to say unlimited");
        assert_eq!(parse_bytes(""), None);
    }

    #[test]
    fn meminfo() {
        let text =
            "MemTotal:       24634388 kB\nMemFree:  1 kB\nMemAvailable:   23068672 kB\nBuffers: 5 kB\n";
        assert_eq!(parse_meminfo(text, "MemAvailable:"), Some(23068672 * 1024));
        assert_eq!(parse_meminfo(text, "MemTotal:"), Some(24634388 * 1024));
        assert_eq!(parse_meminfo("MemFree: 1 kB\n", "MemAvailable:"), None);
    }

    #[test]
    fn memory_stat() {
        let text = "anon 4096\nfile 8192\ninactive_file 12288\ninactive_file_other 7\n";
        assert_eq!(parse_stat(text, "inactive_file"), Some(12288));
        assert_eq!(parse_stat(text, "inactive"), None);
    }

    #[test]
    fn unified_groups_walk_up() {
        let hierarchy = parse_hierarchy("0::/user.slice/job.scope\n");
        let expected =
            ["/sys/fs/cgroup/user.slice/job.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup/"];
        assert_eq!(hierarchy.unified, expected.map(PathBuf::from));
        assert!(hierarchy.legacy.is_empty());
    }

    #[test]
    fn legacy_groups_walk_up() {
        let hierarchy = parse_hierarchy("5:cpu,cpuacct:/x\n4:memory:/docker/abc\n");
        let expected =
            ["/sys/fs/cgroup/memory/docker/abc", "/sys/fs/cgroup/memory/docker", "/sys/fs/cgroup/memory/"];
        assert_eq!(hierarchy.legacy, expected.map(PathBuf::from));
        assert!(hierarchy.unified.is_empty());
    }

    #[test]
    fn groups_outside_the_namespace_fall_back_to_the_root() {
        assert_eq!(parse_hierarchy("0::/../../x\n").unified, [PathBuf::from("/sys/fs/cgroup/")]);
    }

    #[test]
    fn thread_counts() {
        assert_eq!(parse_threads("8"), Some(8));
        assert_eq!(parse_threads(" 4,2 "), Some(4));
        assert_eq!(parse_threads("0"), None);
        assert_eq!(parse_threads("-1"), None);
        assert_eq!(parse_threads("many"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_answers() {
        let (available, total) = (memory_available().unwrap(), memory_total().unwrap());
        assert!(available > 0 && available <= total, "{available} of {total}");
        assert!(default_threads() > 0);
    }
}
