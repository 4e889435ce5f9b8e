//! The child's side: reads one order, prepares, writes one answer.

use std::io::{self, Stdout};
use std::sync::{Arc, Mutex};

use lazaret_mail::LoadError;

use super::frames::{self, FromChild, ToChild};
use super::relay::Relay;
use super::{Desk, Order, Step, prepare};
use crate::contract::Permission;
use crate::inspect::{Inspection, fault};

/// Octets of an order: a component and its configuration, each checked by the parent.
const MAX_ORDER: u64 = 1 << 30;

/// Takes one order from standard input and writes the answer to standard output: what `lazaret prepare` does, in a
/// process that has set its limits before.
///
/// # Errors
/// Only where the parent does not listen or does not speak our language; a filter that cannot be prepared is an answer.
pub fn serve_preparation() -> io::Result<()> {
    let line = Line::default();
    // A log that was started before stays.
    let _ = tracing::subscriber::set_global_default(Relay::new(line.clone()));
    let first = frames::read(&mut io::stdin().lock(), MAX_ORDER)?;
    let Some((
        ToChild::Prepare {
            order,
            config,
            version,
        },
        octets,
    )) = first
    else {
        return Err(io::Error::other("no order came"));
    };
    if version != super::parent::VERSION {
        let replaced = fault(
            "the program was replaced while it ran, and its parts no longer fit",
            "restart lazaret",
        );
        return line.send(&FromChild::refused(replaced), &[]);
    }
    let (config, wasm) = usize::try_from(config)
        .ok()
        .and_then(|config| octets.split_at_checked(config))
        .ok_or_else(|| io::Error::other("the order is cut off"))?;
    let config = std::str::from_utf8(config).map_err(io::Error::other)?;
    answer(&line, &order, wasm, config)
}

fn answer(line: &Line, order: &Order, wasm: &[u8], config: &str) -> io::Result<()> {
    match prepare(order, wasm, config, &mut line.clone()) {
        Ok(product) => {
            let made = FromChild::Made {
                head: Box::new(product.head()),
                compiled: product.compiled,
            };
            line.send(&made, &[product.lines.octets(), product.code.octets()])
        }
        Err(error) => line.send(&FromChild::refused(error), &[]),
    }
}

/// The way to the parent.
#[derive(Clone)]
pub struct Line(Arc<Mutex<Stdout>>);

impl Default for Line {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(io::stdout())))
    }
}

impl Line {
    /// Sends one frame.
    pub fn send(&self, frame: &FromChild, parts: &[&[u8]]) -> io::Result<()> {
        let mut out = self.0.lock().expect("no writer of frames panics");
        frames::write(&mut *out, frame, parts)
    }

    fn ask(&self, seen: &Inspection) -> io::Result<Vec<Permission>> {
        self.send(&FromChild::Seen(Box::new(seen.clone())), &[])?;
        match frames::read(&mut io::stdin().lock(), 0)? {
            Some((ToChild::Settled(denied), _)) => Ok(denied),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Desk for Line {
    fn step(&mut self, step: Step) {
        // Whether the parent is still there shows at the answer.
        let _ = self.send(&FromChild::Step(step), &[]);
    }

    fn settle(&mut self, seen: &Inspection) -> Result<Vec<Permission>, LoadError> {
        let gone = |_| fault("nobody waits for it any more", "load it again");
        self.ask(seen).map_err(gone)
    }
}
