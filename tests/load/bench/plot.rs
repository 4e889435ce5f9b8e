//! Curves as SVG, readable on white and on black paper.

use std::fmt::Write;

use crate::growth::{Axes, Curve, Line};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Room for labels: left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (70.0, 20.0, 20.0, 60.0);
/// Told apart by those who see few colours, too.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// One axis: which value is where.
#[derive(Clone, Copy, Debug)]
struct Axis {
    least: f64,
    most: f64,
    powers: bool,
    /// pixels of both ends
    ends: (f64, f64),
}

impl Axis {
    /// From 0, or by powers from the least value.
    fn of(values: impl Iterator<Item = f64>, powers: bool, ends: (f64, f64)) -> Self {
        let values: Vec<f64> = values.collect();
        let most = values.iter().copied().fold(1.0, f64::max);
        let least = values.iter().copied().filter(|v| *v > 0.0);
        Self {
            least: if powers {
                least.fold(most, f64::min)
            } else {
                0.0
            },
            most: if powers { most } else { most * 1.1 },
            powers,
            ends,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let part = match self.powers {
            true => (value.max(self.least) / self.least).ln() / (self.most / self.least).ln(),
            false => (value - self.least) / (self.most - self.least),
        };
        let part = if part.is_finite() { part } else { 0.5 };
        self.ends.0 + part * (self.ends.1 - self.ends.0)
    }

    /// Round values to write beside it.
    fn marks(&self) -> Vec<f64> {
        match self.powers {
            true => (-3..12)
                .map(|power| 10_f64.powi(power))
                .filter(|mark| (self.least..=self.most).contains(mark))
                .collect(),
            false => {
                let step = round_step((self.most - self.least) / 5.0);
                let count = ((self.most - self.least) / step) as usize;
                (0..=count).map(|n| self.least + step * n as f64).collect()
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let round = [1.0, 2.0, 5.0].map(|factor| factor * power);
    round
        .into_iter()
        .find(|round| *round >= step)
        .unwrap_or(10.0 * power)
}

/// `curve` as the text of an SVG file.
pub fn svg(curve: &Curve) -> String {
    let points = || curve.lines.iter().flat_map(|line| &line.points);
    let (left, top, right, bottom) = MARGIN;
    let by_power = curve.axes != Axes::Linear;
    let x = Axis::of(points().map(|p| p.0), by_power, (left, WIDTH - right));
    let both = curve.axes == Axes::Powers;
    let y = Axis::of(points().map(|p| p.1), both, (HEIGHT - bottom, top));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" role=\"img\" aria-label=\"{}\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n",
        curve.about
    );
    grid(&mut text, x, y);
    names(&mut text, curve);
    for (line, colour) in curve.lines.iter().zip(COLOURS.iter().cycle()) {
        draw(&mut text, line, colour, x, y);
    }
    legend(&mut text, &curve.lines);
    text + "</svg>\n"
}

fn grid(text: &mut String, x: Axis, y: Axis) {
    let (left, top, right, bottom) = MARGIN;
    let (end, floor) = (WIDTH - right, HEIGHT - bottom);
    for mark in y.marks() {
        let at = y.place(mark);
        let _ = writeln!(
            text,
            "<path d=\"M{left} {at:.1}H{end}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            at + 4.0,
            short(mark)
        );
    }
    for mark in x.marks() {
        let at = x.place(mark);
        let _ = writeln!(
            text,
            "<path d=\"M{at:.1} {top}V{floor}\" stroke=\"#eee\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            floor + 18.0,
            short(mark)
        );
    }
    let _ = writeln!(
        text,
        "<path d=\"M{left} {top}V{floor}H{end}\" fill=\"none\" stroke=\"#333\"/>"
    );
}

fn names(text: &mut String, curve: &Curve) {
    let (left, top, _, bottom) = MARGIN;
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(left, WIDTH),
        HEIGHT - 8.0,
        curve.x
    );
    let middle = f64::midpoint(top, HEIGHT - bottom);
    let _ = writeln!(
        text,
        "<text transform=\"translate(16 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        curve.y
    );
}

fn draw(text: &mut String, line: &Line, colour: &str, x: Axis, y: Axis) {
    let places: Vec<String> = line
        .points
        .iter()
        .map(|point| format!("{:.1},{:.1}", x.place(point.0), y.place(point.1)))
        .collect();
    let path = places.join(" ");
    let _ = writeln!(
        text,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    );
    for place in &places {
        let (cx, cy) = place.split_once(',').expect("written above");
        let _ = writeln!(
            text,
            "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3\" fill=\"{colour}\"/>"
        );
    }
}

fn legend(text: &mut String, lines: &[Line]) {
    for (number, (line, colour)) in lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let (at, start) = (MARGIN.1 + 14.0 + 16.0 * number as f64, MARGIN.0 + 12.0);
        let _ = writeln!(
            text,
            "<path d=\"M{start} {}h18\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" y=\"{at}\">{}</text>",
            at - 4.0,
            start + 24.0,
            line.peer
        );
    }
}

/// With a letter for thousands.
pub fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        _ if value >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: &[f64], powers: bool) -> Axis {
        Axis::of(values.iter().copied(), powers, (0.0, 100.0))
    }

    #[test]
    fn what_is_flat_is_drawn_flat_and_powers_are_evenly_spaced() {
        let powers = axis(&[1.0, 10.0, 100.0], true);
        let places = [1.0, 10.0, 100.0].map(|value| powers.place(value).round());
        assert_eq!(places, [0.0, 50.0, 100.0]);
        assert_eq!(powers.marks(), [1.0, 10.0, 100.0]);
        let linear = axis(&[50.0, 100.0], false);
        assert_eq!(linear.place(0.0), 0.0);
        assert_eq!(linear.marks(), [0.0, 50.0, 100.0]);
    }

    #[test]
    fn one_point_is_in_the_middle_and_nothing_is_no_number() {
        assert_eq!(axis(&[7.0], true).place(7.0), 50.0);
        assert!(axis(&[], false).place(0.5).is_finite());
    }

    #[test]
    fn a_curve_becomes_a_picture() {
        let curve = Curve {
            name: "n".to_owned(),
            about: "about".to_owned(),
            x: "so many".to_owned(),
            y: "so much".to_owned(),
            axes: Axes::PowersOfX,
            lines: vec![Line {
                peer: "ours".to_owned(),
                points: vec![(1.0, 5.0), (1000.0, 6.0)],
            }],
        };
        let picture = svg(&curve);
        assert_eq!(picture.matches("<circle").count(), 2);
        for word in ["so many", "so much", "ours", "</svg>"] {
            assert!(picture.contains(word), "{word}");
        }
        assert!(!picture.contains("NaN"), "{picture}");
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 2.5, 100.0, 20_000.0, 5e7].map(short);
        assert_eq!(shown, ["0", "2.5", "100", "20k", "50M"]);
    }
}
