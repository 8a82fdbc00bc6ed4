//! Loading and swapping: the new policy is made beside the old one, as the publisher does.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use portcullis::{
    check::Active,
    input,
    policy::{
        Engine, Entrypoint, LoadOptions, Policy, PolicySet,
        bundle::{self, Bundle, Contents, Limits, Reading, Verification},
    },
    snapshot::Snapshot,
    sources::loader::Loader,
};

use crate::{
    archive::{REVISIONS, Shape},
    checks::Load,
    memory,
};

/// What one step took.
struct Step {
    name: &'static str,
    json: usize,
    read: Duration,
    compile: Duration,
    peak: usize,
    after: usize,
    later: usize,
}

/// Loads the data of `shape` in `folder` and swaps it several times, in this process.
pub(crate) fn measure(shape: Shape, entries: usize, folder: &Path, brief: bool) {
    let rounds = if brief { 1 } else { 3 };
    let idle = Duration::from_millis(if brief { 50 } else { 3_000 });
    let active = Snapshot::empty();
    let loader = Loader::default();
    let last = Arc::new(Mutex::new(None));
    let swap = |name, revision: usize| {
        let path = folder.join(format!("{revision}.tar.gz"));
        let json = fs::read_to_string(folder.join(format!("{revision}.length"))).unwrap();
        memory::forget_peak();
        let (last, active) = (Arc::clone(&last), active.clone());
        let load = move || load(&fs::read(path).unwrap(), &mut last.lock().unwrap(), &active);
        let (read, compile) = loader.run(load).blocking_recv().unwrap();
        Step {
            name,
            json: json.parse().unwrap(),
            read,
            compile,
            peak: memory::peak(),
            after: 0,
            later: 0,
        }
    };
    let base = memory::resident();
    let mut first = swap("first load", 0);
    first.settle(idle);
    println!(
        "| {} | base {:.0} MB | | | | | | | | |",
        shape.name(),
        base as f64 / 1e6
    );
    first.print(shape, "");
    let steps = rounds * 2;
    let load = Load::start(active.clone(), entries, steps * 2);
    let mut done = Vec::new();
    for step in 0..steps {
        load.enter(step * 2);
        thread::sleep(idle);
        let name = if step % 2 == 0 {
            "1 % changed"
        } else {
            "all changed"
        };
        load.enter(step * 2 + 1);
        let mut swapped = swap(name, (step + 1) % REVISIONS.len());
        load.enter((step * 2 + 2).min(steps * 2 - 1));
        swapped.settle(idle);
        done.push(swapped);
    }
    let times = load.stop();
    for (step, times) in done.iter().zip(times.chunks(2)) {
        let p99 = |at: usize| times[at].value_at_quantile(0.99) as f64 / 1e3;
        let ratio = p99(1) / p99(0);
        step.print(
            shape,
            &format!("{:.1} → {:.1} | {ratio:.2}", p99(0), p99(1)),
        );
    }
}

impl Step {
    /// Gives the allocator time to return what is free, and more of it.
    fn settle(&mut self, more: Duration) {
        memory::settle();
        self.after = memory::resident();
        thread::sleep(more);
        self.later = memory::resident();
    }

    fn print(&self, shape: Shape, checks: &str) {
        let times_json = |bytes: usize| bytes as f64 / self.json as f64;
        println!(
            "| {} | {:.0} MB | {} | {:.2} | {:.3} | {:.2} | {:.2} | {:.2} | {checks} |",
            shape.name(),
            self.json as f64 / 1e6,
            self.name,
            self.read.as_secs_f64(),
            self.compile.as_secs_f64(),
            times_json(self.peak),
            times_json(self.after),
            times_json(self.later),
        );
    }
}

/// Makes the archive the active policy and ends the old one.
fn load(
    archive: &[u8],
    last: &mut Option<Arc<Bundle>>,
    active: &Snapshot<Active>,
) -> (Duration, Duration) {
    let limits = Limits::default();
    let began = Instant::now();
    let reading = Reading {
        limits: &limits,
        verification: &Verification::None,
        last: last.as_deref(),
    };
    let bundle = match bundle::read("users", archive, reading) {
        Ok(Contents::Snapshot(bundle)) => Arc::new(bundle),
        Ok(Contents::Delta(_)) => panic!("the archive is whole"),
        Err(problems) => panic!("{problems}"),
    };
    let read = began.elapsed();
    let began = Instant::now();
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    let set = PolicySet {
        files: &[],
        bundles: &[Arc::clone(&bundle)],
        verification: None,
    };
    let policy = Policy::load_set(&set, &options).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(policy.engine(), Engine::Rvm);
    let next = Active::new(policy, &input::Options::default()).warmed(2);
    let compile = began.elapsed();
    let old = active.load_full();
    active.publish(Arc::new(next));
    let old_bundle = last.replace(bundle);
    // The bundle first: the policy holds its data, and ends here.
    drop(old_bundle);
    if let Some(old) = old {
        Active::retire(old);
    }
    (read, compile)
}
