//! Bundled filters that ask servers of others, through the listener: with the real server, and with one that is no use.

mod clamav;
mod greylist;
mod rate;
mod rspamd;
mod trial;
