"""What Redis must do in one step: pushes with their capacity, and changes of membership.

Each :class:`Script` turns keys and arguments to a command for a pipeline
(``EVALSHA``); whoever sends it answers ``NOSCRIPT`` by loading the text and
repeating that one call.  All keys of one call share a tag, so everything runs on a
Redis Cluster too; where a script makes up key names itself, the part in front is
passed as a key.

Fields of ``meta``, the counters of a mailbox:

=============== ==================================================================
``pm`` ``pb``   messages and bytes ever pushed (not control items); never reset
``tm`` ``tb``   the same of the last item that the reader took, written by the reader
``number``      changes of membership
``cap`` ``capb``  capacity in messages and bytes, written by an interface server
``full``        messages refused because the mailbox was full
``skipped``     group messages skipped for the same reason
``dropped``     messages dropped: full, and the process has no heartbeat
``expired``     messages that nobody took in time, as far as scripts saw them
=============== ==================================================================

What waits is ``pm - tm``, but never more than the list is long.  Times are Redis
milliseconds, and every script reads the clock once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

Argument = str | bytes | int | float
Command = tuple[Argument, ...]

#: How long counters of one queue, and those of all queues of a host, are kept after
#: their last change, in seconds (contract layer.md section 5.1).
CHANNEL_STATISTICS_EXPIRY = 3600
GLOBAL_STATISTICS_EXPIRY = 86400

#: The same of a channel with one reader, in seconds.  Each large request body has one of its
#: own, so an hour would pile up a key for each upload.
BRIEF_STATISTICS_EXPIRY = 60

#: How much longer than its last frame a queue lives, in milliseconds: whoever comes in
#: that time answers the receipts of frames that expired.
GRACE_MS = 60_000

#: Class of an item for :data:`PUSH_MAILBOX`: refused when full; skipped when full;
#: never refused.
MESSAGE, GROUP, CONTROL = b"m", b"g", b"c"


class Script:
    """One Lua script.

    Attributes:
        text: Its source.
        sha: What Redis calls it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], *arguments: Argument) -> Command:
        """Return the command that runs it."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)

    def load(self) -> Command:
        """Return the command that loads it."""
        return ("SCRIPT", "LOAD", self.text)


_CLOCK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""

# PEXPIRE ... GT leaves a key alone that has no TTL, so a list that was empty gets a
# plain one.
_KEEP = """
local function keep(key, was_empty, ttl)
  if was_empty then redis.call('PEXPIRE', key, ttl)
  else redis.call('PEXPIRE', key, ttl, 'GT') end
end
"""

#: Push frames to a queue.
#:
#: KEYS queue, its statistics, global statistics.  ARGV capacity (-1: past it),
#: ttl_ms, then the frames (:func:`~channels.layers.redis.items.frame`), in order.
#: Returns how many were stored, from the front, and the receipts of frames that had
#: expired unread and were trimmed to make room: whoever pushes must answer those.
#: With capacity 0 and no frames it only trims.
#:
#: On the path of every message, so it makes as few calls as it can: it pushes first
#: and takes back what was too much.  The list outlives its last frame by a minute, so
#: that whoever takes the expired frame can answer it.
PUSH_QUEUE = Script(
    _CLOCK
    + _KEEP
    + """
local queue = KEYS[1]
local capacity, ttl, stored = tonumber(ARGV[1]), tonumber(ARGV[2]), #ARGV - 2
local stamp = struct.pack('>I8', now + ttl)
local length = stored == 0 and redis.call('LLEN', queue)
for i = 3, #ARGV do length = redis.call('RPUSH', queue, stamp .. ARGV[i]) end
local was_empty, before = length == stored, length
local result = {stored}
if capacity >= 0 and length > capacity then
  local head = redis.call('LINDEX', queue, 0)
  while head and (#head < 8 or struct.unpack('>I8', head) <= now) do
    redis.call('LPOP', queue)
    length = length - 1
    redis.call('HINCRBY', KEYS[2], 'expired_count', 1)
    local mailbox = #head > 13 and string.byte(head, 14) or 0
    if mailbox > 0 then result[#result + 1] = string.sub(head, 14, 14 + mailbox + 8) end
    head = redis.call('LINDEX', queue, 0)
  end
  local refused = math.min(stored, math.max(length - capacity, 0))
  if refused > 0 then
    for _ = 1, refused do redis.call('RPOP', queue) end
    stored = stored - refused
    result[1] = stored
    redis.call('HINCRBY', KEYS[2], 'channel_full_count', refused)
    redis.call('HINCRBY', KEYS[3], 'channel_full_count', refused)
  end
end
if #ARGV == 2 and length == before then return result end
if stored > 0 then keep(queue, was_empty, ttl + """
    + str(GRACE_MS)
    + """) end
local count = redis.call('HINCRBY', KEYS[2], 'messages_count', stored)
redis.call('HINCRBY', KEYS[3], 'messages_count', stored)
-- Counters that move fast need not be kept from expiring at each move.
if count < 64 or count % 16 < stored then
"""
    + f"""
  local brief = string.find(KEYS[2], '?', 1, true)
  redis.call('EXPIRE', KEYS[2], brief and {BRIEF_STATISTICS_EXPIRY} or {CHANNEL_STATISTICS_EXPIRY})
  redis.call('EXPIRE', KEYS[3], {GLOBAL_STATISTICS_EXPIRY})
end
return result
"""
)

#: Put stored frames back, past the capacity, with the expiry that they carry.
#:
#: KEYS queue.  ARGV "head" or "tail", then the frames with their expiry, in the
#: order in which they must be read.  Returns the length of the queue.
GIVE_BACK = Script(
    _CLOCK
    + _KEEP
    + """
local length = redis.call('LLEN', KEYS[1])
local last = now
local first, stop, step, push = 2, #ARGV, 1, 'RPUSH'
if ARGV[1] == 'head' then first, stop, step, push = #ARGV, 2, -1, 'LPUSH' end
for i = first, stop, step do
  redis.call(push, KEYS[1], ARGV[i])
  last = math.max(last, (struct.unpack('>I8', ARGV[i])))
end
keep(KEYS[1], length == 0, last - now + """
    + str(GRACE_MS)
    + """)
return length + #ARGV - 1
"""
)

#: Push items to a mailbox.
#:
#: KEYS mail, meta, entry.  ARGV capacity, byte capacity, "1" if that capacity is
#: configured by name (else the larger of it and the reader's own counts), ttl_ms,
#: control_ttl_ms, then pairs of class (:data:`MESSAGE` ...) and item without stamp,
#: in order.  Returns how many items were dealt with, from the front (the next one
#: found the mailbox full, and it and all behind it were not stored), how many group
#: items were skipped (those behind it too), and how many messages were dropped
#: because the mailbox is full and its process has no heartbeat.
#:
#: Also on the path of every message: the first part is for a mailbox that has room for
#: sure.  What its reader has taken and not reported yet counts as waiting there; the
#: second part looks closer.  An interface server keeps its own counters from expiring.
PUSH_MAILBOX = Script(
    _CLOCK
    + _KEEP
    + """
local mail, meta = KEYS[1], KEYS[2]
local capacity, byte_capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local ttl, control_ttl = tonumber(ARGV[4]), tonumber(ARGV[5])
local h = redis.call('HMGET', meta, 'pm', 'pb', 'tm', 'tb', 'number', 'cap', 'capb')
local pm, pb = tonumber(h[1] or 0), tonumber(h[2] or 0)
local tm, tb = tonumber(h[3] or 0), tonumber(h[4] or 0)
local number = tonumber(h[5] or 0)
-- Its reader knows counters from before a flush, or before Redis lost its memory.
if tm > pm then tm, tb = pm, pb end
if ARGV[3] ~= '1' and h[6] then
  capacity = math.max(capacity, tonumber(h[6]))
  byte_capacity = math.max(byte_capacity, tonumber(h[7] or 0))
end
local expiry, control_expiry = struct.pack('>I8', now + ttl), struct.pack('>I8', now + control_ttl)

local messages, bytes, longest = 0, 0, 0
for i = 6, #ARGV, 2 do
  if ARGV[i] == 'c' then
    longest = control_ttl
  else
    messages = messages + 1
    bytes = bytes + #ARGV[i + 1]
    if longest < ttl then longest = ttl end
  end
end
if pm - tm + messages <= capacity and pb - tb + bytes <= byte_capacity then
  local length
  for i = 6, #ARGV, 2 do
    local item, stamp = ARGV[i + 1], control_expiry
    if ARGV[i] ~= 'c' then
      stamp = expiry
      pm, pb = pm + 1, pb + #item
    end
    length = redis.call('RPUSH', mail, stamp .. struct.pack('>I8I8I8', pm, pb, number) .. item)
  end
  local count = (#ARGV - 5) / 2
  if length then keep(mail, length == count, longest) end
  if messages > 0 then redis.call('HSET', meta, 'pm', pm, 'pb', pb) end
  if not h[6] then redis.call('PEXPIRE', meta, control_ttl) end
  return {count, 0, 0}
end

local length = redis.call('LLEN', mail)
local before = length
if length == 0 and tm ~= pm then
  -- Taken and not yet reported, or expired with the whole list.
  tm, tb = pm, pb
  redis.call('HSET', meta, 'tm', tm, 'tb', tb)
end
local trimmed = false
local function trim()
  trimmed = true
  local head = redis.call('LINDEX', mail, 0)
  local expired = 0
  while head and (#head < 32 or struct.unpack('>I8', head) <= now) do
    redis.call('LPOP', mail)
    length = length - 1
    expired = expired + 1
    if #head >= 32 then
      tm, tb = struct.unpack('>I8I8', head, 9)
    end
    head = redis.call('LINDEX', mail, 0)
  end
  if expired > 0 then
    redis.call('HSET', meta, 'tm', tm, 'tb', tb)
    redis.call('HINCRBY', meta, 'expired', expired)
  end
end
local function full(size)
  local waiting = math.min(pm - tm, length)
  return waiting >= capacity or (waiting > 0 and pb - tb + size > byte_capacity)
end
local done, skipped, dropped, dead = 0, 0, 0, nil
longest = 0
for i = 6, #ARGV, 2 do
  local class, item = ARGV[i], ARGV[i + 1]
  local stamp
  if class == 'c' then
    stamp = control_expiry
    longest = control_ttl
  else
    local no_room = full(#item)
    if no_room and not trimmed then
      trim()
      no_room = full(#item)
    end
    if not no_room then
      stamp = expiry
      pm, pb = pm + 1, pb + #item
      longest = math.max(longest, ttl)
    else
      if dead == nil then dead = h[6] and redis.call('EXISTS', KEYS[3]) == 0 end
      if class == 'g' then skipped = skipped + 1
      elseif dead then dropped = dropped + 1
      else
        local refused = 0
        for k = i, #ARGV, 2 do if ARGV[k] == 'm' then refused = refused + 1 end end
        redis.call('HINCRBY', meta, 'full', refused)
        break
      end
    end
  end
  if stamp then
    redis.call('RPUSH', mail, stamp .. struct.pack('>I8I8I8', pm, pb, number) .. item)
    length = length + 1
  end
  done = done + 1
end
if longest > 0 then
  keep(mail, before == 0, longest)
  redis.call('HSET', meta, 'pm', pm, 'pb', pb)
end
if skipped > 0 then redis.call('HINCRBY', meta, 'skipped', skipped) end
if dropped > 0 then redis.call('HINCRBY', meta, 'dropped', dropped) end
redis.call('PEXPIRE', meta, control_ttl)
return {done, skipped, dropped}
"""
)

# Shared by join and leave: counts a change and tells the process.
_CHANGE = """
local function change(mail, meta, ttl, item)
  local number = redis.call('HINCRBY', meta, 'number', 1)
  local h = redis.call('HMGET', meta, 'pm', 'pb')
  local stamp = struct.pack('>I8I8I8I8',
    now + ttl, tonumber(h[1] or 0), tonumber(h[2] or 0), number)
  local was_empty = redis.call('RPUSH', mail, stamp .. item) == 1
  keep(mail, was_empty, ttl)
  redis.call('PEXPIRE', meta, ttl)
  return number
end
local function short(text) return string.char(#text) .. text end
"""

#: Add a channel of a process to a group, and tell the process.
#:
#: KEYS mail, meta, members, groups.  ARGV local, group, group_expiry_ms.  Returns the
#: number of the change.
JOIN = Script(
    _CLOCK
    + _KEEP
    + _CHANGE
    + """
local name, group, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
local fresh = redis.call('ZADD', KEYS[3], now + ttl, name)
redis.call('SADD', KEYS[4], group)
redis.call('PEXPIRE', KEYS[3], ttl)
redis.call('PEXPIRE', KEYS[4], ttl)
return change(KEYS[1], KEYS[2], ttl,
  'J' .. short(name) .. short(group) .. struct.pack('>I8', now + ttl) .. string.char(fresh))
"""
)

#: Take a channel of a process out of a group, and tell the process.
#:
#: KEYS mail, meta, members, groups.  ARGV local, group, control_ttl_ms.  Returns the number
#: of the change.  The process is told also of what is no member here: it may be one
#: there, if Redis lost its memory a moment ago, and would be written back.
LEAVE = Script(
    _CLOCK
    + _KEEP
    + _CHANGE
    + """
local name, group = ARGV[1], ARGV[2]
redis.call('ZREM', KEYS[3], name)
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('SREM', KEYS[4], group) end
return change(KEYS[1], KEYS[2], tonumber(ARGV[3]), 'L' .. short(name) .. short(group))
"""
)

#: Read all memberships of a process, with the number that they stand for.
#:
#: KEYS meta, groups, what the keys of members start with.  Returns ``[number, group,
#: [local, expiry_ms, ...], group, [...] ...]``.
SNAPSHOT = Script(
    """
local result = {tonumber(redis.call('HGET', KEYS[1], 'number') or 0)}
for _, group in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  result[#result + 1] = group
  result[#result + 1] = redis.call('ZRANGE', KEYS[3] .. group, 0, -1, 'WITHSCORES')
end
return result
"""
)

#: Write memberships back after Redis lost its memory.
#:
#: KEYS groups, what the keys of members start with.  ARGV group_expiry_ms, then group, local
#: and expiry_ms in turn.  A membership that lives longer already is left alone.  This is no
#: change of membership: it has no number, and no item in the mailbox.
RESTORE = Script(
    """
for i = 2, #ARGV, 3 do
  redis.call('ZADD', KEYS[2] .. ARGV[i], 'GT', ARGV[i + 2], ARGV[i + 1])
  redis.call('PEXPIRE', KEYS[2] .. ARGV[i], ARGV[1])
  redis.call('SADD', KEYS[1], ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
)

#: Take the next message out of a mailbox, for the plain ``receive``.
#:
#: KEYS mail, meta, what the keys of members start with, what the keys of body lists start
#: with.  ARGV nothing, or an item that was popped already and comes first.  Returns
#: the next unexpired item of kind R, or nil.  A group item becomes one
#: for each member (those added before the send and not discarded since), a body
#: item the next chunk; what is left of it goes back to the head.  Receipts, joins
#: and leaves are of no use to such a reader and are dropped.
POP_MAILBOX = Script(
    _CLOCK
    + _KEEP
    + """
local mail, meta = KEYS[1], KEYS[2]
local function short(text) return string.char(#text) .. text end
local function word(raw, at)
  local last = at + string.byte(raw, at)
  return string.sub(raw, at + 1, last), last + 1
end

-- Members that joined after the send have a fresh join behind it in the mailbox.
local function members(group, number)
  local found = redis.call('ZRANGEBYSCORE', KEYS[3] .. group, '(' .. now, '+inf')
  if tonumber(redis.call('HGET', meta, 'number') or 0) == number then return found end
  local later, result = {}, {}
  for _, raw in ipairs(redis.call('LRANGE', mail, 0, -1)) do
    if string.sub(raw, 33, 33) == 'J' and string.sub(raw, -1) == '\\1' then
      local name, at = word(raw, 34)
      if word(raw, at) == group then later[name] = true end
    end
  end
  for _, name in ipairs(found) do if not later[name] then result[#result + 1] = name end end
  return result
end

local first, taken, given = nil, nil, ARGV[1]
while not first do
  local raw = given or redis.call('LPOP', mail)
  given = nil
  if not raw then break end
  taken = raw
  local kind = string.sub(raw, 33, 33)
  local stamp = string.sub(raw, 1, 32)
  if struct.unpack('>I8', raw) <= now then
    redis.call('HINCRBY', meta, 'expired', 1)
  elseif kind == 'R' then
    first = raw
  elseif kind == 'G' then
    local group, at = word(raw, 34)
    local payload = string.sub(raw, at)
    local found = members(group, (struct.unpack('>I8', raw, 25)))
    for i = #found, 2, -1 do
      redis.call('LPUSH', mail, stamp .. 'R' .. short(found[i]) .. payload)
    end
    if found[1] then
      first = stamp .. 'R' .. short(found[1]) .. payload
      if #found > 1 then keep(mail, false, struct.unpack('>I8', raw) - now) end
    end
  elseif kind == 'B' then
    local name = word(raw, 34)
    local chunk = redis.call('LPOP', KEYS[4] .. name, 2)
    if chunk and chunk[2] then
      first = stamp .. 'R' .. short(name) .. chunk[2]
      if redis.call('EXISTS', KEYS[4] .. name) == 1 then redis.call('LPUSH', mail, raw) end
    end
  end
end
if taken then
  if redis.call('PTTL', mail) == -1 then
    redis.call('PEXPIRE', mail, math.max(struct.unpack('>I8', taken) - now, 1))
  end
  local pm, pb = struct.unpack('>I8I8', taken, 9)
  redis.call('HSET', meta, 'tm', pm, 'tb', pb)
end
return first or false
"""
)

#: Append a chunk to the body list of a response.
#:
#: KEYS mail, meta, body, entry.  ARGV limit (bytes that may wait), ttl_ms, control_ttl_ms,
#: the item that tells the process, payload.  Returns 1, or 0 if there is no room; a
#: list that is empty takes any chunk.  If there is no room and the process has no
#: heartbeat, the chunk is dropped, counted, and 1 returned.
SEND_BODY = Script(
    _CLOCK
    + _KEEP
    + """
local mail, meta, body = KEYS[1], KEYS[2], KEYS[3]
local limit, ttl, control_ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first, last = redis.call('LINDEX', body, 0), redis.call('LINDEX', body, -2)
local before = 0
if first then
  before = (struct.unpack('>I8', last, 9))
  if before - struct.unpack('>I8', first) + #ARGV[5] > limit then
    if redis.call('HEXISTS', meta, 'cap') == 0 or redis.call('EXISTS', KEYS[4]) == 1 then
      return 0
    end
    redis.call('HINCRBY', meta, 'dropped', 1)
    return 1
  end
end
redis.call('RPUSH', body, struct.pack('>I8I8', before, before + #ARGV[5]), ARGV[5])
redis.call('PEXPIRE', body, ttl)
if not first then
  local h = redis.call('HMGET', meta, 'pm', 'pb', 'number')
  local stamp = struct.pack('>I8I8I8I8', now + control_ttl,
    tonumber(h[1] or 0), tonumber(h[2] or 0), tonumber(h[3] or 0))
  local was_empty = redis.call('RPUSH', mail, stamp .. ARGV[4]) == 1
  keep(mail, was_empty, control_ttl)
end
return 1
"""
)

#: Find which frames still wait in a queue.
#:
#: KEYS queue.  ARGV receipts.  Returns those that are still on a frame there.
FIND_RECEIPTS = Script(
    """
local wanted, found = {}, {}
for _, receipt in ipairs(ARGV) do wanted[receipt] = true end
for _, raw in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local mailbox = string.byte(raw, 14) or 0
  local receipt = string.sub(raw, 14, 14 + mailbox + 8)
  if mailbox > 0 and wanted[receipt] then found[#found + 1] = receipt end
end
return found
"""
)

#: All of them, to be loaded first thing on a new connection.
ALL = (
    PUSH_QUEUE,
    GIVE_BACK,
    PUSH_MAILBOX,
    JOIN,
    LEAVE,
    SNAPSHOT,
    RESTORE,
    POP_MAILBOX,
    SEND_BODY,
    FIND_RECEIPTS,
)

BY_SHA = {script.sha: script for script in ALL}
