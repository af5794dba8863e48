-- Push frames to a queue.
--
-- KEYS queue, its statistics, global statistics.  ARGV capacity (-1: past it),
-- ttl_ms, then the frames (items.py), in order.
-- Returns how many were stored, from the front, and the receipts of frames that had
-- expired unread and were trimmed to make room: whoever pushes must answer those.
-- With capacity 0 and no frames it only trims.
--
-- On the path of every message, so it makes as few calls as it can: it pushes first
-- and takes back what was too much.  The list outlives its last frame by a minute, so
-- that whoever takes the expired frame can answer it.

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
if stored > 0 then keep(queue, was_empty, ttl + GRACE_MS) end
local count = redis.call('HINCRBY', KEYS[2], 'messages_count', stored)
redis.call('HINCRBY', KEYS[3], 'messages_count', stored)
-- Counters that move fast need not be kept from expiring at each move.
if count < 64 or count % 16 < stored then

  local brief = string.find(KEYS[2], '?', 1, true)
  redis.call('EXPIRE', KEYS[2], brief and BRIEF_STATISTICS_EXPIRY or CHANNEL_STATISTICS_EXPIRY)
  redis.call('EXPIRE', KEYS[3], GLOBAL_STATISTICS_EXPIRY)
end
return result
