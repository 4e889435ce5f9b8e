//! What the caller says: greetings, and answers to what the machine asked.

use std::fmt::Write;
use std::mem;

use super::Server;
use super::state::{Announced, Content, Question, State, Transaction, Urgency};
use crate::address::Path;
use crate::data::Decoder;
use crate::event::{CloseReason, End, Event, HelloVerb};
use crate::extension::{Extensions, Keyword};
use crate::reply::{Code, Reply};

impl Server {
    /// Greets with 220.
    pub fn greet(&mut self) {
        if let State::Silent = self.state {
            let text = format!("{} ESMTP", self.config.hostname);
            self.say_named(Reply::new(Code::READY, None, &text));
            self.state = State::Fresh;
        }
    }

    /// Greets with a refusal (RFC 5321 section 3.1). After 421 [`Event::Close`] follows; after
    /// 554, or any other reply, every command but QUIT gets 503.
    pub fn refuse_greeting(&mut self, reply: Reply) {
        if let State::Silent = self.state {
            let reply = self.refusal(reply).without_enhanced();
            self.say(&reply);
            self.state = match reply.code() {
                Code::UNAVAILABLE => State::Closed(CloseReason::Asked),
                _ => State::Rejecting,
            };
        }
    }

    /// Accepts [`Event::Hello`]. What the machine cannot do is left out of the offer; to HELO
    /// nothing is offered.
    pub fn accept_hello(&mut self, offer: &Extensions) {
        let Some(Event::Hello(hello)) = self.take(|e| matches!(e, Event::Hello(_))) else {
            return;
        };
        let mut offer = offer.for_client(self.session.inside_tls, self.config.max_message);
        if self.lines.are_normalised() {
            offer.remove(&Keyword::Chunking);
        }
        self.session.limit = offer.size().unwrap_or(self.config.max_message);
        self.session.offer = match hello.verb {
            HelloVerb::Helo => Extensions::new(),
            HelloVerb::Ehlo => offer,
        };
        // Behind the first line come keywords only (RFC 5321 section 4.1.1.1).
        let hello = self.named(Reply::new(Code::OK, None, &self.config.hostname));
        let mut text = hello.text().to_owned();
        for keyword in self.session.offer.known() {
            write!(text, "\n{keyword}").expect("a string that grows takes every keyword");
        }
        self.say_at_once(&Reply::new(Code::OK, None, &text));
        self.state = State::Idle;
    }

    /// Refuses [`Event::Hello`] for good: every later HELO, EHLO and MAIL of this session gets
    /// this reply again, after RSET and STARTTLS too.
    pub fn refuse_hello(&mut self, reply: Reply) {
        if self.take(|e| matches!(e, Event::Hello(_))).is_some() {
            let reply = self.refusal(reply);
            self.session.refusal = Some(reply.clone());
            self.conclude(reply.without_enhanced());
        }
    }

    /// Answers [`Event::Mail`], [`Event::Rcpt`], [`Event::End`], [`Event::XClient`] (220 starts
    /// the session anew) or [`Event::XForward`]; refuses [`Event::Hello`],
    /// [`Event::StartTls`] or [`Event::Data`]. A reply that cannot be meant (3yz, or a positive one
    /// where only a refusal fits) becomes 451; 421 ends the session. Without a question to answer,
    /// nothing happens.
    pub fn answer(&mut self, reply: Reply) {
        match self.take(|_| true) {
            None => {}
            Some(Event::Mail(path)) => self.answer_mail(reply, &path),
            Some(Event::Rcpt(_)) => self.answer_rcpt(reply),
            Some(Event::End(end)) => self.answer_end(reply, end),
            Some(Event::XClient(_)) => self.answer_xclient(reply),
            Some(Event::XForward(_)) => self.conclude(self.final_reply(reply)),
            Some(Event::Hello(_)) => self.conclude(self.refusal(reply).without_enhanced()),
            Some(Event::Data) => self.refuse_data(self.refusal(reply)),
            Some(_) => self.conclude(self.refusal(reply)),
        }
    }

    fn answer_mail(&mut self, reply: Reply, path: &Path) {
        if reply.code().is_positive() {
            self.state = State::Open(Transaction {
                utf8: path.is_utf8(),
                asked: 0,
                accepted: 0,
                chunk: None,
            });
        } else {
            self.session.note_junk(self.config.max_junk);
        }
        self.conclude(self.final_reply(reply));
    }

    /// The positive answer is a new greeting to another client, behind which comes EHLO again. What the
    /// one before was refused is not held against it.
    fn answer_xclient(&mut self, reply: Reply) {
        if reply.code().is_positive() {
            self.state = State::Fresh;
            self.session.refusal = None;
            self.session.forgive();
            self.conclude(self.named(reply.without_enhanced()));
        } else {
            self.conclude(self.refusal(reply));
        }
    }

    fn answer_rcpt(&mut self, reply: Reply) {
        if let State::Open(transaction) = &mut self.state {
            transaction.accepted += usize::from(reply.code().is_positive());
        }
        // Whoever asks on and on who lives here learns no more than from VRFY.
        if reply.code().is_permanent() {
            self.session.note_junk(self.config.max_junk);
        }
        self.conclude(self.final_reply(reply));
    }

    /// The client must hear of it as soon as it is settled, or it sends the message again.
    fn answer_end(&mut self, reply: Reply, end: End) {
        self.urgency = Urgency::AtOnce;
        match (reply.code().is_positive(), end.fault) {
            (true, Some(fault)) => self.conclude(self.named(fault.reply())),
            (true, None) => {
                self.session.forgive();
                self.conclude(reply.with_enhanced());
            }
            (false, _) => self.conclude(self.final_reply(reply)),
        }
    }

    /// DATA may be tried again, as far as the protocol is concerned; a first chunk may not.
    fn refuse_data(&mut self, reply: Reply) {
        match self.announced() {
            Some(chunk) => self.refuse_first_chunk(chunk, reply),
            None => self.conclude(reply),
        }
    }

    /// The chunk that asked for [`Event::Data`], if it was one.
    fn announced(&mut self) -> Option<Announced> {
        match &mut self.state {
            State::Open(transaction) => transaction.chunk.take(),
            _ => None,
        }
    }

    /// Answers [`Event::Data`]: with 354 to DATA, and octets that came before it are content; to
    /// BDAT nothing is said before its octets are there.
    pub fn go_ahead(&mut self) {
        if self.take(|e| matches!(e, Event::Data)).is_some() {
            if let Some(chunk) = self.announced() {
                return self.first_chunk(chunk);
            }
            let reply = Reply::fixed(Code::START_CONTENT, None, "End with <CR><LF>.<CR><LF>");
            self.say_named_at_once(reply);
            self.state = State::Content(Content {
                decoder: Decoder::new(),
                end: self.lines.last_end(),
                octets: 0,
            });
        }
    }

    /// Answers [`Event::StartTls`] with 220 and drops all that came in clear behind it (RFC 3207
    /// section 6). Write the output, shake hands, then call
    /// [`tls_established`](Self::tls_established).
    pub fn start_tls(&mut self) {
        if self.take(|e| matches!(e, Event::StartTls)).is_some() {
            self.say_named(Reply::start_tls());
            self.lines.clear();
            self.state = State::Handshake;
        }
    }

    /// From now on TLS protects the session, and all that was said before is forgotten (RFC 3207
    /// section 4.2) but refusals and the count of errors. On implicit TLS call it before greeting;
    /// at any other time it does nothing.
    pub fn tls_established(&mut self) {
        self.state = match self.state {
            State::Silent => State::Silent,
            State::Handshake => State::Fresh,
            _ => return,
        };
        self.lines.clear();
        self.session.inside_tls = true;
        self.session.offer = Extensions::new();
        self.session.limit = self.config.max_message;
    }

    /// Says `reply` and ends the session, whatever it is at: [`Event::Close`] comes next.
    pub fn close(&mut self, reply: Reply) {
        let question = mem::replace(&mut self.question, Question::None);
        let answers_hello = matches!(question, Question::Asked(Event::Hello(_)));
        let reply = match self.state {
            State::Closed(_) => return,
            State::Silent => reply.without_enhanced(),
            _ if answers_hello => reply.without_enhanced(),
            _ => reply.with_enhanced(),
        };
        self.shut(reply, CloseReason::Asked);
    }

    fn take(&mut self, fits: impl Fn(&Event) -> bool) -> Option<Event> {
        match mem::replace(&mut self.question, Question::None) {
            Question::Asked(event) if fits(&event) => Some(event),
            other => {
                self.question = other;
                None
            }
        }
    }

    pub(super) fn conclude(&mut self, reply: Reply) {
        self.say(&reply);
        if reply.code() == Code::UNAVAILABLE {
            self.state = State::Closed(CloseReason::Asked);
        }
    }

    /// What may end a question: anything but 3yz, which would put client and server out of step.
    fn final_reply(&self, reply: Reply) -> Reply {
        match reply.code().is_intermediate() {
            true => self.named(Reply::local_error()),
            false => reply.with_enhanced(),
        }
    }

    /// What may refuse.
    fn refusal(&self, reply: Reply) -> Reply {
        match reply.code().is_negative() {
            true => reply.with_enhanced(),
            false => self.named(Reply::local_error()),
        }
    }
}
