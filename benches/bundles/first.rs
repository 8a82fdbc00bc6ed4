//! The first check after a swap beside the hundredth, with and without warming.

use std::{sync::mpsc, thread, time::Instant};

use portcullis::{
    check::{Active, Callers},
    input,
    policy::{Entrypoint, LoadOptions, Policy, PolicyFile},
};

use crate::checks;

/// Prints the median of `swaps` of each kind.
pub(crate) fn measure(swaps: usize) {
    println!("\n| first check after a swap | first µs | hundredth µs | ratio |");
    println!("|---|---|---|---|");
    let (to_worker, policies) = mpsc::channel::<Active>();
    let (from_worker, times) = mpsc::channel::<[f64; 2]>();
    thread::scope(|scope| {
        scope.spawn(move || {
            for active in policies {
                from_worker.send(first_and_hundredth(&active)).unwrap();
            }
        });
        let mut rows = [Vec::new(), Vec::new()];
        for at in 0..swaps * 2 {
            let warm = at % 2;
            let active = active(at);
            let active = if warm == 1 { active.warmed(2) } else { active };
            to_worker.send(active).unwrap();
            rows[warm].push(times.recv().unwrap());
        }
        drop(to_worker);
        for (name, row) in ["as it was compiled", "warmed"].into_iter().zip(rows) {
            let median = |of: fn(&[f64; 2]) -> f64| {
                let mut sorted: Vec<f64> = row.iter().map(of).collect();
                sorted.sort_by(f64::total_cmp);
                sorted[sorted.len() / 2]
            };
            println!(
                "| {name} | {:.1} | {:.1} | {:.2} |",
                median(|times| times[0]),
                median(|times| times[1]),
                median(|times| times[0] / times[1]),
            );
        }
    });
}

/// Microseconds.
fn first_and_hundredth(active: &Active) -> [f64; 2] {
    let callers = Callers::default();
    let requests: Vec<_> = (0..100)
        .map(|at| checks::request("ann", &format!("/items/{at}")))
        .collect();
    let times: Vec<f64> = requests
        .iter()
        .map(|request| {
            let began = Instant::now();
            checks::check(active, &callers, request, true);
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    [times[0], times[99]]
}

/// A policy that was never seen before: neither it nor its patterns are in any cache.
fn active(at: usize) -> Active {
    let rego = format!(
        r#"package envoy.authz

default allow := false

roles := {{"ann": ["reader"], "bob": ["writer"]}}

allow if {{
	http := input.attributes.request.http
	http.method == "GET"
	regex.match(`^/(items|things{at})/[0-9]+$`, http.path)
	glob.match("*.example.com", [":"], http.host)
	"reader" in roles[http.headers["x-user"]]
}}
"#
    );
    let file = PolicyFile {
        name: "policy.rego".to_owned(),
        data_path: Vec::new(),
        bytes: rego.into_bytes(),
    };
    let options = LoadOptions {
        entrypoint: Entrypoint::Path(["envoy", "authz", "allow"].map(str::to_owned).to_vec()),
        v0_compatible: false,
        strict_builtin_errors: false,
    };
    let policy = Policy::load(&[file], &options).unwrap_or_else(|e| panic!("{e}"));
    Active::new(policy, &input::Options::default())
}
