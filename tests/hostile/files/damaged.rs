//! Good components with something wrong in them: cut off, bits flipped, pieces moved. Each is made from its number.

use super::{Dice, Family, Specimen};
use crate::guests::Guest;
use crate::hostile::attack::{Expected, Point};
use crate::hostile::forge::Forge;

pub(super) fn families() -> Vec<Family> {
    vec![
        Family::new("cut off", |number| damaged(number, cut)),
        Family::new("a bit flipped", |number| {
            damaged(number, |dice, wasm| flip_one(dice, wasm))
        }),
        Family::new("many bits flipped", |number| {
            damaged(number, |dice, wasm| flip_many(dice, wasm))
        }),
        Family::new("octets replaced", |number| {
            damaged(number, |dice, wasm| replace(dice, wasm))
        }),
        Family::new("a piece moved", |number| damaged(number, splice)),
    ]
}

/// What becomes of a damaged file nobody knows; only that it must not matter.
fn damaged(number: u64, damage: fn(&mut Dice, &mut Vec<u8>)) -> Specimen {
    let mut dice = Dice::new(number);
    let mut wasm = whole(&mut dice);
    damage(&mut dice, &mut wasm);
    let mut specimen = Specimen::new(wasm, Expected::Contained);
    specimen.policy.push_str("grant = [\"session\"]\n");
    specimen
}

/// A component that is a filter; small ones, for a flipped bit of a large one seldom matters.
fn whole(dice: &mut Dice) -> Vec<u8> {
    const ID: &str = r#"(import "lazaret:filter/session@0.1.0" "id" (func $id (param i32)))"#;
    match dice.below(4) {
        0 => Guest::Minimal.octets(),
        1 => Forge::new("(call $id (i32.const 32))")
            .import("session", ID)
            .at(Point::Connect),
        2 => Forge::new("(return (i32.const 256))")
            .with(r#"(data (i32.const 256) "\02") (table 4 funcref) (elem (i32.const 0) $alloc)"#)
            .at(Point::Message),
        _ => Forge::new("(drop (memory.grow (i32.const 1)))")
            .after("nop")
            .at(Point::Hello),
    }
}

fn cut(dice: &mut Dice, wasm: &mut Vec<u8>) {
    let length = dice.below(wasm.len());
    wasm.truncate(length);
}

fn flip_one(dice: &mut Dice, wasm: &mut [u8]) {
    // The first eight octets say what it is; flipping them is no riddle.
    let at = 8 + dice.below(wasm.len() - 8);
    wasm[at] ^= 1 << dice.below(8);
}

fn flip_many(dice: &mut Dice, wasm: &mut [u8]) {
    for _ in 0..2 + dice.below(30) {
        flip_one(dice, wasm);
    }
}

fn replace(dice: &mut Dice, wasm: &mut [u8]) {
    const NASTY: [u8; 8] = [0x00, 0xff, 0x7f, 0x80, 0x0d, 0x40, 0x60, 0x0b];
    for _ in 0..1 + dice.below(4) {
        let at = 8 + dice.below(wasm.len() - 8);
        wasm[at] = NASTY[dice.below(NASTY.len())];
    }
}

fn splice(dice: &mut Dice, wasm: &mut Vec<u8>) {
    let from = dice.below(wasm.len() - 1);
    let length = 1 + dice.below((wasm.len() - from).min(200));
    let piece = wasm[from..from + length].to_vec();
    let to = 8 + dice.below(wasm.len() - 8);
    wasm.splice(to..to, piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_makes_the_same_file() {
        for family in families() {
            let (one, two) = (family.specimen(7), family.specimen(7));
            assert_eq!(one.wasm, two.wasm, "{}", family.kind);
        }
        assert_ne!(
            families()[1].specimen(1).wasm,
            families()[1].specimen(2).wasm
        );
    }
}
