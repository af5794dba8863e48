-- Take the next message out of a mailbox, for the plain receive().
--
-- KEYS mail, meta, what the keys of members start with, what the keys of body lists start
-- with.  ARGV nothing, or an item that was popped already and comes first.  Returns
-- the next unexpired item of kind R or F, or nil.  A group item becomes one
-- for each member (those added before the send and not discarded since), a body
-- item the next chunk; what is left of it goes back to the head.  Receipts, joins
-- and leaves are of no use to such a reader and are dropped.

local mail, meta = KEYS[1], KEYS[2]
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
    if string.sub(raw, 33, 33) == 'J' and string.sub(raw, -1) == '\1' then
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
  elseif kind == 'R' or kind == 'F' then
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
