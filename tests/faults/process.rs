//! The program as a process: signals, descriptors, threads, sessions.

use std::time::{Duration, Instant};

use crate::harness::{Lab, eventually};

#[test]
fn row_98_one_session_that_fails_inside_leaves_the_others() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (events, _kept) = tokio::sync::mpsc::channel(16);
        let registry = nls::session::Registry::new(events);
        let request = |verb| nls::session::Request { verb, kind: verb.into(), name: None, background: false, parent: None };
        let good = registry.start(request("good"), |session| async move {
            session.running("listening");
            session.cancelled().await;
            Ok(nls::report::Outcome::default())
        });
        let good = good.unwrap();
        let bad = registry.start(request("bad"), |_| async { panic!("a bug") }).unwrap();
        let state = bad.ended().await;
        assert!(matches!(&state, nls::session::State::Failed(failure) if failure.to_string().contains("internal error (bug)")), "{state:?}");
        assert!(!good.state().has_ended());
        assert!(registry.close(Duration::from_secs(2)).await.is_empty());
    });
}

#[test]
fn row_100_sessions_have_a_limit_and_ids_are_never_reused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (events, _) = tokio::sync::mpsc::channel(16);
        let registry = nls::session::Registry::new(events);
        let request = || nls::session::Request {
            verb: "x",
            kind: "x".into(),
            name: None,
            background: false,
            parent: None,
        };
        let start = |registry: &std::sync::Arc<nls::session::Registry>| {
            registry.start(request(), |session| async move {
                session.cancelled().await;
                Ok(nls::report::Outcome::default())
            })
        };
        let mut ids = std::collections::HashSet::new();
        for _ in 0..nls::session::SESSION_LIMIT {
            assert!(ids.insert(start(&registry).unwrap().id));
        }
        assert!(start(&registry).unwrap_err().to_string().contains("1024 sessions"));
        registry.close(Duration::from_secs(5)).await;
    });
}

#[test]
fn rows_97_and_109_a_signal_ends_the_program_even_if_nobody_reads_its_output() {
    let lab = Lab::new();
    for signal in ["INT", "TERM", "HUP"] {
        // A pipe that is full, and that nobody reads.
        let mut running = lab.start(&["-c", "!yes"]);
        std::thread::park_timeout(Duration::from_millis(300));
        let began = Instant::now();
        running.signal(signal);
        eventually("it dies", || running.child.try_wait().unwrap().is_some());
        let status = running.child.wait().unwrap();
        let number = match signal {
            "INT" => 2,
            "TERM" => 15,
            _ => 1,
        };
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(number), "{status:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
}

#[test]
fn a_system_with_few_descriptors_or_threads_is_told_before_anything_starts() {
    let lab = Lab::new();
    let statements = "listen udp 0 calc; calc 7 % 3";
    // Whoever started the tests may have left descriptors open.
    let close = "for fd in /proc/self/fd/*; do fd=${fd##*/}; [ $fd -le 2 ] || eval \"exec $fd>&-\"; done";
    for descriptors in 5..=16 {
        let mut command = std::process::Command::new("bash");
        lab.dress(&mut command);
        let line =
            format!("{close}; ulimit -n {descriptors}; exec {} -c '{statements}'", crate::harness::PROGRAM);
        let output = command.args(["-c", &line]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if descriptors == 16 {
            assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
            break;
        }
        assert_eq!(output.status.code(), Some(3), "{descriptors}: {said}");
        assert!(
            said.starts_with(
                "error: cannot start: too many open files; at least 16 file descriptors are needed"
            ),
            "{descriptors}: {said}"
        );
    }
    for threads in 1..6 {
        let first = format!("ulimit -p {threads};");
        let Some(mut command) = lab.as_user(54321, &first, &["-c", statements]) else { return };
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{threads}: {said}");
        assert!(said.contains("cannot start: the system allows only"), "{threads}: {said}");
    }
}
