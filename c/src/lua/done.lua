-- DONE: the last step of a job that is through: nothing of it stays in the queue's keys. From dead it is removed too,
-- since a late BURY of an earlier run may have put it there.
-- KEYS leases holders recoveries missing stops dead reasons
-- ARGV id, token, … (at most 128 pairs)
-- Returns how many were still held with their token.
-- Repeat: what is gone is not held any more.
local call = redis.call
local leases, holders, recoveries, missing, stops, dead, reasons = unpack(KEYS)
local ids, mine = {}, {}
for i = 1, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
local hs = redis.pcall('HMGET', holders, unpack(ids))
if hs.err then return hs end
for i, id in ipairs(ids) do
  if hs[i] == ARGV[2 * i] then mine[#mine + 1] = id end
end
if #mine == 0 then return 0 end
-- The sizes come first: they find a key of a wrong type before the first write, and mostly there is nothing to remove.
local size = {call('ZCARD', leases), call('HLEN', recoveries), call('HLEN', missing), call('ZCARD', stops),
  call('ZCARD', dead), call('HLEN', reasons)}
call('ZREM', leases, unpack(mine))
call('HDEL', holders, unpack(mine))
if size[2] > 0 then call('HDEL', recoveries, unpack(mine)) end
if size[3] > 0 then call('HDEL', missing, unpack(mine)) end
if size[4] > 0 then call('ZREM', stops, unpack(mine)) end
if size[5] > 0 then call('ZREM', dead, unpack(mine)) end
if size[6] > 0 then call('HDEL', reasons, unpack(mine)) end
return #mine
