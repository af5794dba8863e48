-- Push items to a mailbox.
--
-- KEYS mail, meta, entry.  ARGV capacity, byte capacity, "1" if that capacity is
-- configured by name (else the larger of it and the reader's own counts), ttl_ms,
-- control_ttl_ms, then pairs of class (m message, g group item, c control item) and item
-- without stamp, in order.  Returns how many items were dealt with, from the front (the next one
-- found the mailbox full, and it and all behind it were not stored), how many group
-- items were skipped (those behind it too), and how many messages were dropped
-- because the mailbox is full and its process has no heartbeat.
--
-- Also on the path of every message: the first part is for a mailbox that has room for
-- sure.  What its reader has taken and not reported yet counts as waiting there; the
-- second part looks closer.  An interface server keeps its own counters from expiring.

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
