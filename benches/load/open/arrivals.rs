//! When calls arrive.

use std::{iter, time::Duration};

/// The arrivals of several Poisson processes with these mean rates a second within a `window`, in
/// order: when, and of which. Each process depends on its place, its rate and the seed alone.
pub(super) fn arrivals(
    rates: &[f64],
    window: Duration,
    seed: u64,
) -> impl Iterator<Item = (Duration, usize)> {
    let mut processes: Vec<_> = rates
        .iter()
        .zip(0..)
        .map(|(rate, place)| {
            process(*rate, window, seed.wrapping_mul(1_000).wrapping_add(place)).peekable()
        })
        .collect();
    iter::from_fn(move || {
        let heads = processes.iter_mut().enumerate();
        let (place, _) = heads
            .filter_map(|(place, process)| Some((place, *process.peek()?)))
            .min_by_key(|(_, at)| *at)?;
        Some((processes[place].next()?, place))
    })
}

fn process(rate: f64, window: Duration, seed: u64) -> impl Iterator<Item = Duration> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut at = 0.0;
    let next = iter::repeat_with(move || {
        at -= (1.0 - random.f64()).ln() / rate;
        Duration::try_from_secs_f64(at).unwrap_or(Duration::MAX)
    });
    next.take_while(move |at| *at < window)
}
