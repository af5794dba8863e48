-- Append a chunk to the body list of a response.
--
-- KEYS mail, meta, body, entry.  ARGV limit (bytes that may wait), ttl_ms, control_ttl_ms,
-- the item that tells the process, payload.  Returns 1, or 0 if there is no room; a
-- list that is empty takes any chunk.  If there is no room and the process has no
-- heartbeat, the chunk is dropped, counted, and 1 returned.

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
