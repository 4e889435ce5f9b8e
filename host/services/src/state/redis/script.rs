//! The script that carries out orders, and how it is called.

use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

use crate::state::{Order, Step};

/// Entries that end are swept by whoever writes next, a few at a time. A space that nobody writes to any more goes as a
/// whole when its last entry ends. A value begins with a letter: `o` for octets, `n` for a number.
const SCRIPT: &str = r"
if redis.replicate_commands then redis.replicate_commands() end
local entries, ends, size = KEYS[1], KEYS[2], KEYS[3]
local step, key = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function held()
    local till = redis.call('ZSCORE', ends, key)
    if not till or tonumber(till) <= now then return false end
    return redis.call('HGET', entries, key)
end

local function drop(gone)
    local length = redis.call('HSTRLEN', entries, gone)
    redis.call('ZREM', ends, gone)
    if redis.call('HDEL', entries, gone) == 1 then
        redis.call('DECRBY', size, #gone + length - 1)
    end
end

local function sweep(most)
    local all = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, most)
    for _, gone in ipairs(all) do drop(gone) end
    return #all
end

local function live_as_long(milliseconds)
    if redis.call('PTTL', entries) < milliseconds then
        for _, name in ipairs(KEYS) do redis.call('PEXPIRE', name, milliseconds) end
    end
end

local function fits(value)
    local length = redis.call('HSTRLEN', entries, key)
    local keys, more = 0, #value - length
    if length == 0 then keys, more = 1, #key + #value - 1 end
    local all = redis.call('HLEN', entries) + keys
    local octets = tonumber(redis.call('GET', size) or 0) + more
    local grows = keys > 0 or more > 0
    local within = all <= tonumber(ARGV[3]) and octets <= tonumber(ARGV[4])
    return within or not grows, more
end

local function put(value, till)
    sweep(2)
    local good, more = fits(value)
    for _ = 1, 16 do
        if good or sweep(64) == 0 then break end
        good, more = fits(value)
    end
    if not good then return false end
    redis.call('HSET', entries, key, value)
    redis.call('INCRBY', size, more)
    if till then
        redis.call('ZADD', ends, till, key)
        live_as_long(till - now)
    end
    return true
end

local till = now + tonumber(ARGV[5]) * 1000
if step == 'read' then
    local value = held()
    return value and value:sub(2)
elseif step == 'set' then
    if not put('o' .. ARGV[6], till) then return redis.status_reply('LIMIT') end
    return redis.status_reply('OK')
elseif step == 'remove' then
    local was = held()
    drop(key)
    return was and 1 or 0
elseif step == 'increment' then
    local value = held()
    if value and value:sub(1, 1) ~= 'n' then return redis.status_reply('INVALID') end
    local sum = tonumber(ARGV[6]) + (value and tonumber(value:sub(2)) or 0)
    sum = math.max(-2147483648, math.min(2147483647, sum))
    if not put('n' .. string.format('%.0f', sum), not value and till) then return redis.status_reply('LIMIT') end
    return sum
elseif step == 'swap' then
    local value = held()
    local text = value and 'o' .. value:sub(2) or ''
    if text ~= ARGV[6] then return 0 end
    if ARGV[7] == '' then
        drop(key)
    elseif not put(ARGV[7], till) then
        return redis.status_reply('LIMIT')
    end
    return 1
end
return redis.error_reply('ERR unknown step')
";

/// By which a server knows it.
static HASH: LazyLock<String> = LazyLock::new(|| Script::new(SCRIPT).get_hash().to_owned());

/// What a server that knows the script is sent.
pub fn by_hash(order: &Order) -> Cmd {
    call("EVALSHA", &HASH, order)
}

/// The same with the script in it: the server knows it from then on.
pub fn in_full(order: &Order) -> Cmd {
    call("EVAL", SCRIPT, order)
}

fn call(verb: &str, script: &str, order: &Order) -> Cmd {
    let Order {
        space,
        caps,
        key,
        step,
    } = order;
    let mut command = cmd(verb);
    // The braces keep the three on one server of a cluster.
    let name = |what: &str| format!("lazaret:{{{space}}}:{what}");
    command.arg(script).arg(3);
    command
        .arg(name("entries"))
        .arg(name("ends"))
        .arg(name("size"));
    let seconds = step.seconds().unwrap_or(0);
    command.arg(word(step)).arg(key.as_str());
    command.arg(caps.keys).arg(caps.size).arg(seconds);
    match step {
        Step::Read | Step::Remove => {}
        Step::Set { value, .. } => drop(command.arg(value.as_slice())),
        Step::Increment { by, .. } => drop(command.arg(*by)),
        Step::Swap {
            expected, value, ..
        } => {
            command.arg(optional(expected.as_deref()));
            command.arg(optional(value.as_deref()));
        }
    }
    command
}

fn word(step: &Step) -> &'static str {
    match step {
        Step::Read => "read",
        Step::Set { .. } => "set",
        Step::Remove => "remove",
        Step::Increment { .. } => "increment",
        Step::Swap { .. } => "swap",
    }
}

/// Nothing at all, or the octets behind their letter.
fn optional(value: Option<&[u8]>) -> Vec<u8> {
    match value {
        None => Vec::new(),
        Some(value) => [b"o", value].concat(),
    }
}
