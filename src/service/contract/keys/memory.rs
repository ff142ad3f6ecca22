//! Once a key is in memory, the process leaves no core file, and other processes of the same user cannot read its memory.

/// Called before a key is read or made. What forbids it is no reason to refuse a key: the system may have other rules.
pub fn protect() {
    #[cfg(target_os = "linux")]
    {
        // prctl(2): no core file, also none by a pipe, and no ptrace(2) by a process without privileges.
        let off = rustix::process::DumpableBehavior::NotDumpable;
        let _forbidden = rustix::process::set_dumpable_behavior(off);
    }
    #[cfg(not(target_os = "linux"))]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Core).maximum;
        let _forbidden = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_memory_that_holds_keys_is_in_no_core_file() {
        super::protect();
        let now = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(now, rustix::process::DumpableBehavior::NotDumpable);
    }
}
