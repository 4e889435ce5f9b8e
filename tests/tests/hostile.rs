//! The hostile set, each attack once at each stage: `cargo xtask hostile` plays it ten thousand times.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lazaret_tests::Window;
use lazaret_tests::hostile::good::Good;
use lazaret_tests::hostile::{Attack, Site, examine, invoke, set};
use lazaret_tests::quantile::quantile;

/// Sessions at once.
const ATTACKERS: usize = 4;

/// Plays each attack once; what went wrong, in words.
fn play_all(site: &Arc<Site>, attacks: &[Attack]) -> Vec<String> {
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            scope.spawn(|| {
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let number = next.load(Ordering::SeqCst) as u64 * 1000;
                    let number = number + u64::from(attack.point as u8);
                    let played = invoke(site, attack, number).and_then(|_| examine(attack, 1));
                    if let Err(fault) = played {
                        let fault = format!("{}: {fault}", attack.name());
                        faults.lock().expect("nobody panics").push(fault);
                    }
                }
            });
        }
    });
    faults.into_inner().expect("nobody panics")
}

#[test]
fn every_attack_at_every_stage_hurts_only_its_own_transaction() {
    let attacks = set::asked();
    let site = Arc::new(Site::start(&attacks, None));
    let good = Good::start(&site, "good");
    good.enter(Window::Attack);
    let faults = play_all(&site, &attacks);
    let life = good.finish();
    println!(
        "{} attacks; {} good messages, p99 {:?}",
        attacks.len(),
        life.accepted,
        quantile(&life.attack, 0.99)
    );
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(life.faults.is_empty(), "{}", life.faults.join("\n"));
    assert_eq!(
        site.sink.rest(),
        [""; 0],
        "messages that nobody sent, or twice"
    );
}
