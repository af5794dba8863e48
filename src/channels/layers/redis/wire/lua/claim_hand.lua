-- Give back what a dead taker had in hand and had not begun.
--
-- KEYS the list of what it has in hand; the queue that is named there has the same tag.  ARGV the
-- number of the last take that it knew of, how many frames of that it had begun, how long to
-- remember that it is gone (ms): a take that was on its way as it died finds that.  Returns
-- how many frames went back, and those that had begun.

local hand = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
redis.call('RPUSH', KEYS[1], 'gone')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if not hand[1] or hand[1] == 'gone' then return {0} end
-- Of an older take everything has run; of a newer one it had not heard.
local number, known, begun = tonumber(hand[1]), tonumber(ARGV[1]), 0
if number < known then return {0} end
if number == known then begun = tonumber(ARGV[2]) end
local result = {math.max(0, #hand - 2 - begun)}
for i = 3, math.min(#hand, 2 + begun) do result[#result + 1] = hand[i] end
put_back(hand[2], 'head', hand, 3 + begun)
return result
