//! At one, two and five times what a server can do: what is allowed inside the budget beside the most that
//! it can allow, how soon the rest is turned away, whether health checks are still answered, and memory.
//!
//! The most is measured in a closed loop just before each window, because the machine is not the same all
//! the time. The published skeleton is measured too, but not judged: the generator has one core and needs
//! as much of it for a check as the server does.

mod row;
mod shed;

use std::time::Duration;

use serde_json::json;

use self::row::Row;
use crate::{
    arguments::Arguments,
    client::{recorded, runtime},
    heavy,
    noop::SKELETON,
    open::{Call, Class, Generator, Pace, Stream, closed_loop, float},
    probes::Probes,
    server::Server,
    setting::Setting,
    verdict::Verdict,
};

/// The default.
const BUDGET: Duration = Duration::from_millis(100);
/// Of what the server can do.
const FACTORS: [f64; 3] = [1.0, 2.0, 5.0];

/// Prints a table for each row and policy, and what was wanted of the heavy one.
pub(crate) fn measure(arguments: &Arguments) -> bool {
    let window = arguments.duration.unwrap_or(if arguments.test {
        Duration::from_millis(400)
    } else {
        Duration::from_secs(5)
    });
    let call = Call::check(&recorded(), arguments.timeout);
    let mut verdict = Verdict::new(arguments.test);
    runtime().block_on(async {
        let rules = heavy::calibrate(&call, window.min(Duration::from_secs(1))).await;
        let heavy = heavy::policy(rules);
        // As many checks in flight on each connection as keep the server busy, and no more.
        for (name, policy, clients) in [("heavy", heavy.as_str(), 1), ("skeleton", SKELETON, 16)] {
            for setting in arguments.rows() {
                let case = Case {
                    arguments,
                    setting: &setting,
                    call: &call,
                    clients,
                    window,
                };
                println!(
                    "{name} policy, {setting}, {} s a window",
                    window.as_secs_f64()
                );
                let rows = case.run(policy).await;
                Row::print(&rows);
                if name == "heavy" {
                    Row::judge(&rows, &mut verdict);
                }
            }
        }
    });
    verdict.held()
}

/// One policy on one server.
struct Case<'a> {
    arguments: &'a Arguments,
    setting: &'a Setting,
    call: &'a Call,
    clients: usize,
    window: Duration,
}

impl Case<'_> {
    async fn run(&self, policy: &str) -> Vec<Row> {
        let server = Server::with(policy, &json!({}), self.setting);
        let connections = self.arguments.connections;
        let pace = Pace::of(self.arguments, self.setting);
        let outstanding = self.arguments.outstanding;
        let address = server.address();
        let mut generator = Generator::connect(&address, connections, outstanding, pace).await;
        // Warms up.
        self.capacity(&server).await;
        let mut rows = Vec::new();
        for (factor, seed) in FACTORS.into_iter().zip(0..) {
            rows.push(self.window(&server, &mut generator, factor, seed).await);
        }
        rows
    }

    /// Checks allowed in time a second when it is never idle, and the CPU of each in microseconds.
    async fn capacity(&self, server: &Server) -> (f64, f64) {
        let before = server.cpu();
        let clients = (self.arguments.connections, self.clients);
        let tally = closed_loop(&server.address(), clients, self.call, self.window / 2).await;
        let cpu = (server.cpu() - before) * 1e6 / float(tally.sent().max(1));
        (tally.goodput(BUDGET), cpu)
    }

    async fn window(
        &self,
        server: &Server,
        generator: &mut Generator,
        factor: f64,
        seed: u64,
    ) -> Row {
        server.idle().await;
        let (capacity, cost) = self.capacity(server).await;
        server.idle().await;
        let probes = Probes::start(&server.address()).await;
        server.forget_peak();
        let (resident, log, cpu) = (server.resident(), server.log_length(), server.cpu());
        let stream = Stream {
            call: self.call.clone(),
            rate: capacity * factor,
        };
        let tallies = generator.run(&[stream], self.window, seed).await;
        let tally = tallies.into_iter().next().unwrap();
        let cpu = (server.cpu() - cpu) * 1e6;
        let allowed = float(tally.count(Class::Allowed));
        let others = float(tally.sent()) - allowed;
        Row {
            factor,
            capacity,
            others_cpu: (others > 0.0).then(|| (cpu - allowed * cost).max(0.0) / others),
            shed: shed::times(&server.log(log)),
            health: probes.stop().await,
            resident: [resident, server.resident()],
            peak: server.peak(),
            tally,
        }
    }
}
