//! The server machine: one client's session. All that changes its state is in this file, for BDAT in
//! `chunks` and for what the caller says in `answers`.

use std::mem;

use bytes::BytesMut;

use crate::address::Path;
use crate::argument::Argument;
use crate::command::{Command, CommandError};
use crate::data::Decoded;
use crate::event::{CloseReason, End, Event, Fault, Hello, HelloVerb};
use crate::extension::{Extensions, Keyword};
use crate::line::{Item, Lines};
use crate::newline::Text;
use crate::reply::Reply;

mod answers;
mod chunks;
mod config;
mod refusal;
mod state;

use config::MIN_COMMAND;
pub use config::{LineFeeds, ServerConfig};
pub use refusal::{Refusal, Refusals, Wanted};
use state::{Announced, Question, Session, State, Urgency};

/// Replies are written when so many octets of them wait, however many commands are still there.
const FULL: usize = 16 << 10;

/// One SMTP session, seen from the server. See the crate's page for how to drive it.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    lines: Lines,
    output: BytesMut,
    state: State,
    session: Session,
    question: Question,
    urgency: Urgency,
}

impl Server {
    /// A session before its greeting: call [`greet`](Self::greet) or
    /// [`refuse_greeting`](Self::refuse_greeting) next, on implicit TLS
    /// [`tls_established`](Self::tls_established) before.
    pub fn new(mut config: ServerConfig) -> Self {
        config.max_command = config.max_command.max(MIN_COMMAND);
        let session = Session {
            offer: Extensions::new(),
            limit: config.max_message,
            refusal: None,
            errors: 0,
            junk: 0,
            refused: Refusals::default(),
            inside_tls: false,
        };
        Self {
            lines: match config.line_feeds {
                LineFeeds::Refused => Lines::default(),
                LineFeeds::Normalised => Lines::normalised(),
            },
            config,
            output: BytesMut::new(),
            state: State::Silent,
            session,
            question: Question::None,
            urgency: Urgency::Grouped,
        }
    }

    /// What the client sent, in pieces of any size.
    pub fn receive(&mut self, octets: &[u8]) {
        self.lines.input().extend_from_slice(octets);
    }

    /// What the client sent and the machine has not used yet: read more behind it.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.lines.input()
    }

    /// Has the client sent octets that are not used yet? Before the greeting: early talk.
    pub fn has_input(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Gives back the memory of empty buffers: for a session about to wait.
    pub fn release(&mut self) {
        let empty = |buffer: &mut BytesMut| {
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
        };
        empty(self.lines.buffer());
        empty(self.lines.input());
        empty(&mut self.output);
    }

    /// Replies that wait to be written; take them out.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// What the machine refused of its own accord since this was last asked, for whoever keeps records. Ask before an
    /// event is handled: they came before it.
    pub fn take_refusals(&mut self) -> Option<Refusals> {
        self.session.refused.take()
    }

    /// Is a message under way in chunks, and the next one not announced? Then a command is waited for.
    pub fn is_between_chunks(&self) -> bool {
        matches!(self.state, State::Chunked(_))
    }

    /// Has more come of the message under way, dots taken out, than was offered?
    pub fn is_over_size(&self) -> bool {
        let octets = match &self.state {
            State::Content(content) => content.octets,
            State::Chunk(chunk) => chunk.message.octets,
            State::Chunked(message) => message.octets,
            _ => 0,
        };
        octets > self.session.limit
    }

    /// Is there a question that must be answered before [`next`](Self::next)?
    pub fn awaits_answer(&self) -> bool {
        matches!(self.question, Question::Asked(_))
    }

    /// The next event. Never blocks; [`Event::NeedInput`] is all there is for now.
    ///
    /// # Panics
    /// In debug builds if a question has not been answered. In release builds it is asked again.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends, and errors are events"
    )]
    pub fn next(&mut self) -> Event {
        match mem::replace(&mut self.question, Question::None) {
            Question::None => {}
            Question::Coming(event) => return self.ask(event),
            Question::Asked(event) => {
                debug_assert!(false, "next() before {event:?} was answered");
                return self.ask(event);
            }
        }
        loop {
            if self.has_to_flush() {
                return Event::Flush;
            }
            match self.step() {
                None => {}
                Some(Event::NeedInput) if self.pull() => {}
                Some(event) => return event,
            }
        }
    }

    /// Without more input [`Event::NeedInput`] says the same.
    fn has_to_flush(&mut self) -> bool {
        let urgency = mem::replace(&mut self.urgency, Urgency::Grouped);
        urgency == Urgency::AtOnce && self.has_input() && !self.output.is_empty()
    }

    /// More text for the machine, where it does not take it as it came.
    fn pull(&mut self) -> bool {
        match &self.state {
            State::Silent | State::Handshake => false,
            State::Content(content) => self.lines.pull(Text::Content(content.end)),
            _ => self.lines.pull(Text::Commands),
        }
    }

    fn step(&mut self) -> Option<Event> {
        match &mut self.state {
            State::Silent | State::Handshake => Some(Event::NeedInput),
            State::Closed(reason) => Some(Event::Close(*reason)),
            State::Content(_) => self.content(),
            State::Chunk(_) => self.chunk(),
            State::Skip(_) => self.skipping(),
            _ => self.line(),
        }
    }

    fn line(&mut self) -> Option<Event> {
        match self.lines.next(self.config.max_command) {
            Item::NeedInput => Some(Event::NeedInput),
            Item::Runaway => self.shut(Reply::too_many_errors(), CloseReason::LongLine),
            Item::Command(command) => self.command(command),
            Item::Bad(error, wanted) => self.bad_command(error, wanted),
        }
    }

    fn bad_command(&mut self, error: CommandError, wanted: Wanted) -> Option<Event> {
        match (&self.state, error) {
            (_, CommandError::Foreign) => self.shut(error.reply(), CloseReason::Foreign),
            (_, CommandError::ChunkSize) => self.shut(error.reply(), CloseReason::Chunk),
            (State::Rejecting, CommandError::Hello) => {
                self.refuse(wanted, Reply::no_service().without_enhanced())
            }
            (State::Rejecting, _) => self.refuse(wanted, Reply::no_service()),
            _ => {
                // A wrong parameter does not break a group up (RFC 2920 section 3.1).
                if wanted == Wanted::Other {
                    self.urgency = Urgency::AtOnce;
                }
                self.refuse(wanted, error.reply())
            }
        }
    }

    fn command(&mut self, command: Command) -> Option<Event> {
        if command.is_junk() {
            self.session.note_junk(self.config.max_junk);
        }
        if !self.is_over_errors() || command == Command::Quit {
            return self.in_turn(command);
        }
        let (reply, reason) = self.too_many();
        match command {
            Command::Helo(_) | Command::Ehlo(_) => self.shut(reply.without_enhanced(), reason),
            _ => self.shut(reply, reason),
        }
    }

    /// Which command may come when (RFC 5321 section 4.1.4).
    fn in_turn(&mut self, command: Command) -> Option<Event> {
        use Command as C;
        use State as S;
        match (&self.state, command) {
            (_, C::Quit) => self.quit(),
            (_, C::Bdat { octets, last }) => self.bdat(Announced { octets, last }),
            (S::Rejecting, C::Helo(_) | C::Ehlo(_)) => {
                self.fail(Reply::no_service().without_enhanced())
            }
            (S::Rejecting, command) => self.refuse(command.into(), Reply::no_service()),
            (_, C::Noop(_)) => self.say_named_at_once(Reply::ok()),
            (_, C::Help(_)) => self.say_named_at_once(Reply::help()),
            (_, C::Rset) => self.reset(),
            (_, C::Helo(name)) => self.hello(HelloVerb::Helo, name),
            (_, C::Ehlo(name)) => self.hello(HelloVerb::Ehlo, name),
            (S::Idle, C::StartTls) => self.starttls(),
            (_, C::StartTls) => self.fail(Reply::bad_sequence()),
            (_, command) if self.needs_tls() => self.refuse(command.into(), Reply::tls_required()),
            (_, C::Vrfy(_)) => self.say_named_at_once(Reply::cannot_verify()),
            (S::Fresh, C::Mail(path)) => self.too_early(path),
            (S::Idle, C::Mail(path)) => self.mail(path),
            (S::Open(_), C::Rcpt(path)) => self.rcpt(path),
            (S::Open(transaction), C::Data) if transaction.accepted > 0 => {
                self.ask_some(Event::Data)
            }
            (S::Open(_), C::Data) => self.refuse(Wanted::Content, Reply::no_recipients()),
            (S::Chunked(_), C::Data) => self.data_behind_chunks(),
            (_, command @ (C::Mail(_) | C::Rcpt(_) | C::Data)) => {
                self.refuse(command.into(), Reply::bad_sequence())
            }
            (S::Idle | S::Fresh, C::XClient(attributes))
                if self.offers(&Keyword::XClient(Vec::new())) =>
            {
                self.ask_some(Event::XClient(attributes))
            }
            (S::Idle, C::XForward(attributes)) if self.offers(&Keyword::XForward(Vec::new())) => {
                self.ask_some(Event::XForward(attributes))
            }
            (_, C::Expn(_) | C::Auth { .. } | C::XClient(_) | C::XForward(_) | C::Obsolete) => {
                self.fail(Reply::not_implemented())
            }
        }
    }

    fn needs_tls(&self) -> bool {
        self.config.require_tls && !self.session.inside_tls
    }

    fn offers(&self, keyword: &Keyword) -> bool {
        self.session.offer.has(keyword)
    }

    fn quit(&mut self) -> Option<Event> {
        self.say_named(Reply::bye());
        self.state = State::Closed(CloseReason::Quit);
        Some(Event::Quit)
    }

    /// RFC 5321 section 4.1.1.5: never an error, and the hello stands.
    fn reset(&mut self) -> Option<Event> {
        self.say_named(Reply::ok());
        match self.state {
            State::Open(_) | State::Chunked(_) => {
                self.state = State::Idle;
                Some(Event::Reset)
            }
            State::Spoiled => {
                self.state = State::Idle;
                None
            }
            _ => None,
        }
    }

    /// RFC 5321 section 4.1.4: a later EHLO resets as RSET does. A refusal by `refuse_hello` is
    /// repeated, so that a client refused at EHLO gains nothing with HELO.
    fn hello(&mut self, verb: HelloVerb, name: Argument) -> Option<Event> {
        if let Some(refusal) = self.session.refusal.clone() {
            return self.fail(refusal.without_enhanced());
        }
        let name = name.into_string();
        let event = Event::Hello(Hello { verb, name });
        match mem::replace(&mut self.state, State::Fresh) {
            State::Open(_) | State::Chunked(_) => {
                self.question = Question::Coming(event);
                Some(Event::Reset)
            }
            _ => self.ask_some(event),
        }
    }

    fn too_early(&mut self, path: Path) -> Option<Event> {
        let refusal = self.session.refusal.clone();
        let reply = refusal.unwrap_or(Reply::bad_sequence());
        self.refuse(Wanted::Transaction(Some(path.address)), reply)
    }

    /// RFC 3207 section 4: between transactions, once, and only where it was offered.
    fn starttls(&mut self) -> Option<Event> {
        if self.session.inside_tls {
            self.fail(Reply::bad_sequence())
        } else if self.offers(&Keyword::StartTls) {
            self.ask_some(Event::StartTls)
        } else {
            self.fail(Reply::not_implemented())
        }
    }

    fn mail(&mut self, path: Path) -> Option<Event> {
        match self.fault_of_mail(&path) {
            Some(reply) => self.refuse(Wanted::Transaction(Some(path.address)), reply),
            None => self.ask_some(Event::Mail(path)),
        }
    }

    fn fault_of_mail(&self, path: &Path) -> Option<Reply> {
        let size = path.declared_size().unwrap_or(0);
        match path {
            _ if !self.covers(path) => Some(Reply::unknown_parameter()),
            _ if !path.is_utf8() && !path.is_ascii() => Some(Reply::sender_not_ascii()),
            _ if size > self.session.limit => Some(Reply::too_big()),
            _ => None,
        }
    }

    fn rcpt(&mut self, path: Path) -> Option<Event> {
        let covered = self.covers(&path);
        let State::Open(transaction) = &mut self.state else {
            return self.refuse(Wanted::Recipient(Some(path.address)), Reply::bad_sequence());
        };
        let fault = match transaction {
            _ if !covered => Reply::unknown_parameter(),
            it if !it.utf8 && !path.is_ascii() => Reply::recipient_not_ascii(),
            it if it.asked == self.config.max_recipients => {
                return self.one_too_many(path);
            }
            it => {
                it.asked += 1;
                return self.ask_some(Event::Rcpt(path));
            }
        };
        self.refuse(Wanted::Recipient(Some(path.address)), fault)
    }

    /// RFC 5321 section 4.5.3.1.10: no error of the client, who sends the rest in another transaction.
    fn one_too_many(&mut self, path: Path) -> Option<Event> {
        let reply = self.named(Reply::too_many_recipients());
        let wanted = Wanted::Recipient(Some(path.address));
        self.say(&reply);
        self.session.refused.push(wanted, reply);
        None
    }

    fn covers(&self, path: &Path) -> bool {
        path.parameters.iter().all(|p| self.session.offer.covers(p))
    }

    /// RFC 3030 section 3: never both in one transaction, and only RSET goes on from there.
    fn data_behind_chunks(&mut self) -> Option<Event> {
        self.state = State::Spoiled;
        self.refuse(Wanted::Content, Reply::bad_sequence());
        Some(Event::Reset)
    }

    fn content(&mut self) -> Option<Event> {
        let State::Content(content) = &mut self.state else {
            return None;
        };
        match content.decoder.decode(self.lines.buffer()) {
            Decoded::NeedInput => Some(Event::NeedInput),
            Decoded::Fault => self.shut(Reply::smuggling(), CloseReason::Smuggling),
            Decoded::Octets(octets) => content.fitting(octets, self.session.limit),
            Decoded::End => {
                let octets = content.octets;
                let fault = (octets > self.session.limit).then_some(Fault::TooBig);
                self.state = State::Idle;
                self.ask_some(Event::End(End { octets, fault }))
            }
        }
    }

    fn ask_some(&mut self, event: Event) -> Option<Event> {
        Some(self.ask(event))
    }

    fn ask(&mut self, event: Event) -> Event {
        self.question = Question::Asked(event.clone());
        event
    }

    /// Puts a reply into the output.
    fn say(&mut self, reply: &Reply) -> Option<Event> {
        self.output.reserve(reply.room());
        reply
            .print(&mut self.output)
            .expect("a buffer that grows takes every reply");
        if self.output.len() >= FULL {
            self.urgency = Urgency::AtOnce;
        }
        None
    }

    /// The same, and it does not wait for what comes of further input.
    fn say_at_once(&mut self, reply: &Reply) -> Option<Event> {
        self.urgency = Urgency::AtOnce;
        self.say(reply)
    }

    /// Answers an error that nobody needs to know the reason of, and counts it.
    fn fail(&mut self, reply: Reply) -> Option<Event> {
        self.refuse(Wanted::Other, reply)
    }

    /// Answers an error and counts it.
    fn refuse(&mut self, wanted: Wanted, reply: Reply) -> Option<Event> {
        self.session.errors = self.session.errors.saturating_add(1);
        if self.is_over_errors() {
            let (closing, reason) = self.too_many();
            // It stands in the place of this one: behind EHLO without enhanced code, too.
            let closing = match reply.enhanced() {
                Some(_) => closing,
                None => closing.without_enhanced(),
            };
            return self.shut(closing, reason);
        }
        let reply = self.named(reply);
        self.say(&reply);
        self.session.refused.push(wanted, reply);
        None
    }

    fn is_over_errors(&self) -> bool {
        self.session.errors > self.config.max_errors
    }

    fn too_many(&self) -> (Reply, CloseReason) {
        match self.session.junk > self.config.max_junk {
            true => (Reply::too_much_junk(), CloseReason::TooMuchJunk),
            false => (Reply::too_many_errors(), CloseReason::TooManyErrors),
        }
    }

    /// What nobody else is asked about.
    fn say_named(&mut self, reply: Reply) -> Option<Event> {
        let reply = self.named(reply);
        self.say(&reply)
    }

    fn say_named_at_once(&mut self, reply: Reply) -> Option<Event> {
        self.urgency = Urgency::AtOnce;
        self.say_named(reply)
    }

    /// Our own replies name the session.
    fn named(&self, reply: Reply) -> Reply {
        let id = self.config.id.as_str();
        let text = reply.text().strip_suffix(')');
        let rest = text.and_then(|text| text.strip_suffix(id));
        match id.is_empty() || rest.is_some_and(|rest| rest.ends_with('(')) {
            true => reply,
            false => reply.naming(id),
        }
    }

    /// Answers and ends the session. Who asks for it has written its own text.
    fn shut(&mut self, reply: Reply, reason: CloseReason) -> Option<Event> {
        let reply = match reason {
            CloseReason::Asked => reply,
            _ => self.named(reply),
        };
        self.say(&reply);
        if reason != CloseReason::Asked {
            self.session.refused.push(Wanted::Other, reply);
        }
        self.state = State::Closed(reason);
        None
    }
}
