//! Rows 1 to 9: the backend is away, slow, broken, or says what it should not.

use std::time::{Duration, Instant};

use super::accepted;
use crate::Segments;
use crate::Step;
use crate::backend::say;
use crate::faults::client::{Connection, Security, Sender};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FAULTY, FINE, Load, Running};
use crate::faults::{Ground, Neighbour, Outside, Row};
use crate::proxy::Builder;

/// MAIL of the messages that the fault is for.
const FROM: &str = "MAIL FROM:<fault@*";
/// How long a backend may take to connect or to reply, where it is to be impatient.
const REPLY: Duration = Duration::from_millis(700);
/// How long a transaction waits there for a connection.
const WAIT: Duration = Duration::from_secs(2);
/// By then a connection is, whose deadline is 15 s.
const GIVEN_UP: Duration = Duration::from_secs(17);
/// Longer than any of the deadlines below.
const TOO_LONG: Duration = Duration::from_secs(12);

pub(super) const ROWS: [Row; 9] = [
    Row {
        neighbour: Neighbour::Shares,
        ..Row::new(1, "backend's port closed", closed)
    },
    Row {
        site: impatient,
        neighbour: Neighbour::Shares,
        ..Row::new(2, "backend greets never, with 421, with 554", greeting)
    },
    Row::new(3, "backend fails at EHLO, MAIL, RCPT, DATA", fails),
    Row {
        site: patient,
        ..Row::new(4, "backend slow at each stage", slow)
    },
    Row::new(5, "backend closes or resets in the body", body),
    Row::new(6, "backend closes after the dot", after_dot),
    Row {
        site: |builder, _| builder.set("[backend]\naccept = \"5s\"\n"),
        ..Row::new(7, "backend commits, then closes or hangs", commits)
    },
    Row::new(8, "backend says 421 anywhere, also unasked", going_down),
    Row {
        neighbour: Neighbour::Shares,
        ..Row::new(9, "octets come and go one at a time", dribble)
    },
];

/// Each transaction has a connection of its own, so each is greeted.
fn impatient(builder: Builder, _: &Outside) -> Builder {
    builder.set(&format!(
        "[backend]\nconnect = \"{0}ms\"\nreply = \"{0}ms\"\nwait = \"{1}ms\"\nidle = \"0s\"\n",
        REPLY.as_millis(),
        WAIT.as_millis()
    ))
}

fn patient(builder: Builder, _: &Outside) -> Builder {
    builder.set("[backend]\nreply = \"15s\"\naccept = \"15s\"\nconnections = 80\n")
}

fn closed(ground: &mut Ground) -> String {
    ground.backend_down();
    ground.load(Load::of("down", ground.share(1)));
    ground.only("down/", Told::is_temporary);
    ground.backend_up();
    ground.recovers("up", Duration::from_secs(1));
    ground.heard("down/")
}

fn greeting(ground: &mut Ground) -> String {
    let cases = [
        ("never", ground.share(10), vec![Step::Silence]),
        (
            "421",
            ground.share(2),
            vec![say("421 4.3.2 busy"), Step::Close],
        ),
        (
            "554",
            ground.share(2),
            vec![say("554 5.3.2 no mail here"), Step::Close],
        ),
    ];
    // Who asks is to be seen: clients or probes.
    ground.alone();
    let mut heard = Vec::new();
    for (label, messages, steps) in cases {
        ground.backend().always("<connect>", steps);
        ground.load(Load {
            clients: 25,
            ..Load::of(label, messages)
        });
        let took = within_deadlines(ground, label);
        ground.only(&format!("{label}/"), Told::is_temporary);
        is_given_up_and_probed(ground, label);
        let told = ground.heard(&format!("{label}/"));
        heard.push(format!("{label}: {told}, one after {took:.1?}"));
        ground.recovers(&format!("after-{label}"), Duration::from_secs(2));
    }
    heard.join("; ")
}

/// One more message: how long it took from its connection on.
fn within_deadlines(ground: &Ground, label: &str) -> Duration {
    let letter = Letter::new(&format!("{label}/one"), FINE, 400);
    let mut sender = Sender::to(ground.program.plain(), Security::Plain, Segments::Whole);
    let begun = Instant::now();
    ground.enter(&letter.token, sender.send(&letter));
    let took = begun.elapsed();
    let most = ground.patience(REPLY + WAIT + Duration::from_secs(1));
    assert!(took < most, "{label}: a message took {took:.1?}");
    took
}

/// Its circuit is open; and while no client is there, it is asked whether it is back.
fn is_given_up_and_probed(ground: &Ground, label: &str) {
    let is = |state| {
        let state = format!("state=\"{state}\"");
        ground.metric_with("lazaret_backend_state", &[&state])
    };
    let states = ["up", "failing", "down"].map(is);
    assert_eq!(states, [0.0, 0.0, 1.0], "{label}: up, failing, down");
    let connections = || ground.backend().all_connections();
    let (before, begun) = (connections(), Instant::now());
    while connections() < before + 2 {
        let is_late = begun.elapsed() > ground.patience(Duration::from_secs(2));
        assert!(!is_late, "{label}: nobody asks whether it is back");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn fails(ground: &mut Ground) -> String {
    let is_permanent: fn(Told) -> bool = Told::is_permanent;
    let is_temporary: fn(Told) -> bool = Told::is_temporary;
    let mut cases = Vec::new();
    for command in ["MAIL *", "RCPT *", "DATA"] {
        cases.push((command, vec![say("450 4.2.1 not now")], is_temporary));
        cases.push((command, vec![say("550 5.7.1 not you")], is_permanent));
        cases.push((command, vec![say("what?")], is_temporary));
        cases.push((
            command,
            vec![Step::Say(b"25".to_vec()), Step::Close],
            is_temporary,
        ));
        cases.push((command, vec![Step::Reset], is_temporary));
    }
    for (n, (command, steps, class)) in cases.iter().enumerate() {
        ground.backend().when(FROM, command, steps.clone());
        ground.load(Load::of(&format!("fails-{n}"), ground.share(15)));
        ground.only(&format!("fails-{n}/fault/"), class);
        ground.fine(&format!("fails-{n}"));
        ground.backend().behave();
    }
    hello(ground);
    format!(
        "{}; at EHLO: {}",
        ground.heard("fails-"),
        ground.heard("hello-")
    )
}

/// At EHLO there is no sender yet: it strikes everybody, and is no more than a 4xx. What was connected before is gone, as
/// after a restart.
fn hello(ground: &mut Ground) {
    ground.alone();
    for (n, steps) in [
        vec![Step::Close],
        vec![Step::Reset],
        vec![say("421 4.3.2 busy")],
    ]
    .into_iter()
    .enumerate()
    {
        ground.backend().always("EHLO *", steps);
        ground.backend().hang_up();
        ground.load(Load::of(&format!("hello-{n}"), ground.share(10)));
        ground.only(&format!("hello-{n}/"), Told::is_temporary);
        ground.recovers(&format!("after-hello-{n}"), Duration::from_secs(2));
    }
}

/// Where the backend is slow, and to whom.
const SLOW: [(&str, &str); 4] = [
    ("mail", "MAIL *"),
    ("rcpt", "RCPT *"),
    ("data", "DATA"),
    ("dot", "."),
];

fn slow(ground: &mut Ground) -> String {
    let wait = |seconds| Step::Wait(Duration::from_secs(seconds));
    let begun = Instant::now();
    slow_by(ground, "1s", &[wait(1), Step::Ordinary], accepted);
    assert!(begun.elapsed() >= Duration::from_secs(1), "nobody was slow");
    let begun = Instant::now();
    slow_by(ground, "10s", &[wait(10), Step::Ordinary], accepted);
    assert!(
        begun.elapsed() >= Duration::from_secs(10),
        "nobody was slow"
    );
    slow_by(ground, "60s", &[wait(60), Step::Close], Told::is_temporary);
    slow_reader(ground);
    slow_greeting(ground);
    // Each thread of sessions keeps what so many at once had.
    let grown = ground.over_and_over(|ground, round| {
        slow_by(
            ground,
            &format!("again-{round}"),
            &[wait(1), Step::Ordinary],
            accepted,
        );
    });
    let heard = |label| ground.heard(label);
    format!(
        "1 s: {}; 10 s: {}; 60 s, over the deadline of 15 s: {}; content read after 1 s: {}; at greeting and EHLO 1 s: {}, 60 s: {}; {grown}",
        heard("1s-"),
        heard("10s-"),
        heard("60s-"),
        heard("content/"),
        heard("hello-1s-"),
        heard("hello-60s-")
    )
}

/// It reads nothing of the content for a while, more of which is on its way than the network keeps.
fn slow_reader(ground: &Ground) {
    let steps = [Step::Wait(Duration::from_secs(1)), Step::Ordinary];
    ground.backend().when(FROM, "<content>", steps);
    let begun = Instant::now();
    ground.load(Load {
        clients: 2,
        size: 6_000_000,
        fault_every: 1,
        ..Load::of("content", ground.times(4))
    });
    assert!(begun.elapsed() >= Duration::from_secs(1), "nobody was slow");
    ground.only("content/", accepted);
    ground.backend().behave();
}

/// Is this what must be heard?
type Right = fn(Told) -> bool;

/// At the greeting and at EHLO it strikes everybody who has no connection yet: over the deadline that is a 4xx.
fn slow_greeting(ground: &mut Ground) {
    ground.alone();
    let wait = |seconds| Step::Wait(Duration::from_secs(seconds));
    let cases: [(&str, [Step; 2], Right); 2] = [
        ("1s", [wait(1), Step::Ordinary], accepted),
        ("60s", [wait(60), Step::Close], Told::is_temporary),
    ];
    for (label, steps, right) in cases {
        for (n, command) in ["<connect>", "EHLO *"].into_iter().enumerate() {
            ground.backend().always(command, steps.clone());
            ground.backend().hang_up();
            let (label, begun) = (format!("hello-{label}-{n}"), Instant::now());
            ground.load(Load::of(&label, ground.share(25)));
            assert!(begun.elapsed() >= Duration::from_secs(1), "nobody was slow");
            ground.only(&format!("{label}/"), right);
            ground.recovers(&format!("after-{label}"), Duration::from_secs(5));
            all_given_up(ground, &label);
        }
    }
}

/// What is being opened to a backend that does not greet is given up in time, with nobody waiting for it.
fn all_given_up(ground: &Ground, label: &str) {
    let deadline = Instant::now() + ground.patience(GIVEN_UP);
    while ground.metric("lazaret_backend_in_use") > 0.0 {
        let is_late = Instant::now() >= deadline;
        assert!(!is_late, "{label}: a connection is still in use");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// At all four commands at once, each for a sender of its own.
fn slow_by(ground: &Ground, label: &str, steps: &[Step], right: Right) {
    for (at, command) in SLOW {
        let sender = format!("MAIL FROM:<{at}@*");
        ground.backend().when(&sender, command, steps.to_vec());
    }
    let loads = SLOW.map(|(at, _)| {
        ground.begin(Load {
            clients: 8,
            fault_every: 6,
            sender: format!("{at}@example.com"),
            ..Load::of(&format!("{label}-{at}"), ground.share(12))
        })
    });
    loads.into_iter().for_each(Running::finish);
    for (at, _) in SLOW {
        ground.only(&format!("{label}-{at}/fault/"), right);
        ground.fine(&format!("{label}-{at}"));
    }
    ground.backend().behave();
    let in_use = ground.metric("lazaret_backend_in_use");
    // The client beside the fault may hold one.
    assert!(
        in_use <= 1.0,
        "{label}: {in_use} connections are still in use"
    );
}

fn body(ground: &mut Ground) -> String {
    for (label, steps) in [("close", vec![Step::Close]), ("reset", vec![Step::Reset])] {
        ground.backend().when(FROM, "<content>", steps);
        ground.load(Load {
            clients: 3,
            size: 80_000,
            ..Load::of(label, ground.share(2))
        });
        ground.only(&format!("{label}/fault/"), Told::is_temporary);
        ground.fine(label);
        in_step(ground, label);
        ground.backend().behave();
    }
    ground.heard("close/")
}

/// The session in which a message failed goes on.
fn in_step(ground: &Ground, label: &str) {
    let mut connection = ground.connection();
    let faulty = Letter::new(&format!("step-{label}-1"), FAULTY, 100_000);
    let fine = Letter::new(&format!("step-{label}-2"), FINE, 5_000);
    for (letter, right) in [
        (faulty, Told::is_temporary as fn(Told) -> bool),
        (fine, accepted),
    ] {
        let told = deliver(ground, &mut connection, &letter);
        assert!(right(told), "{}: {told}", letter.token);
    }
}

fn deliver(ground: &Ground, connection: &mut Connection, letter: &Letter) -> Told {
    let told = connection.deliver(letter);
    ground.enter(&letter.token, told);
    told
}

fn after_dot(ground: &mut Ground) -> String {
    for (label, steps) in [
        ("close", vec![Step::Close]),
        ("reset", vec![Step::Reset]),
        (
            "half",
            vec![Step::Say(b"250 2.0.0 ok".to_vec()), Step::Close],
        ),
    ] {
        // What is not a whole line promises nothing, and the double does not take it either.
        ground.backend().when(FROM, ".", steps);
        ground.load(Load::of(label, ground.share(3)));
        ground.only(&format!("{label}/fault/"), Told::is_temporary);
        ground.fine(label);
        ground.backend().behave();
    }
    ground.heard("close/")
}

fn commits(ground: &mut Ground) -> String {
    let cases = [
        (
            "close",
            ground.share(1),
            10,
            vec![Step::Commit, Step::Close],
        ),
        (
            "hang",
            ground.share(5),
            20,
            vec![Step::Commit, Step::Wait(TOO_LONG), Step::Close],
        ),
    ];
    for (label, messages, clients, steps) in cases {
        ground.backend().when(FROM, ".", steps);
        ground.load(Load {
            clients,
            ..Load::of(label, messages)
        });
        ground.only(&format!("{label}/fault/"), Told::is_temporary);
        ground.fine(label);
        ground.backend().behave();
    }
    let silent = ground.backend().deliveries();
    let silent = silent.iter().filter(|delivery| delivery.silent).count();
    let hurt = ground.count("close/fault/") + ground.count("hang/fault/");
    assert_eq!(silent, hurt, "taken in silence, and hurt");
    let counted = ground.metric("lazaret_backend_ambiguous_total");
    assert_eq!(
        counted, silent as f64,
        "ambiguous in /metrics, and taken in silence"
    );
    format!(
        "ambiguous {counted}; {}; {}",
        ground.heard("close/"),
        ground.heard("hang/")
    )
}

fn going_down(ground: &mut Ground) -> String {
    let steps = || vec![say("421 4.3.2 going down"), Step::Close];
    for (n, command) in ["MAIL *", "RCPT *", "DATA", "<content>", "."]
        .into_iter()
        .enumerate()
    {
        let label = format!("421-{n}");
        ground.backend().when(FROM, command, steps());
        ground.load(Load::of(&label, ground.share(5)));
        ground.only(&format!("{label}/fault/"), Told::is_temporary);
        ground.fine(&label);
        ground.backend().behave();
    }
    unasked(ground);
    format!(
        "{}; unasked: {}",
        ground.heard("421-"),
        ground.heard("unasked-")
    )
}

/// Said to a connection that rests between two messages, it is nobody's affair.
fn unasked(ground: &Ground) {
    let soon = Step::Wait(Duration::from_millis(20));
    ground.backend().always(
        ".",
        [Step::Ordinary, soon, say("421 4.3.2 idle"), Step::Close],
    );
    let mut sender = Sender::to(ground.program.plain(), Security::Plain, Segments::Whole);
    let times = ground.times(30);
    for n in 0..times {
        let letter = Letter::new(&format!("unasked-{n}"), "unasked@example.com", 400);
        ground.enter(&letter.token, sender.send(&letter));
        std::thread::sleep(Duration::from_millis(150));
    }
    ground.only("unasked-", accepted);
    let ours = |line: &String| line.starts_with("MAIL FROM:<unasked@");
    let heard = ground.backend().heard();
    let over = heard.iter().filter(|it| it.lines.iter().any(ours)).count();
    assert!(over >= times, "{times} messages over {over} connections");
}

fn dribble(ground: &mut Ground) -> String {
    ground.backend().always("*", [Step::Dribble]);
    ground.load(Load {
        segments: Segments::Single,
        ..Load::of("dribble", ground.share(1))
    });
    ground.only("dribble/", accepted);
    ground.heard("dribble/")
}
