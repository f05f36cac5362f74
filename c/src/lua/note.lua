-- NOTE: what a run tells while it goes on: its progress, lines of its log, chunks of its stream.
-- KEYS job log stream
-- ARGV run, fenced (1: the run is the token of the hash; 0: the hash has none), n (counts the notes of a run from 1),
--      progress ('' none), most lines kept, most chunks kept, how many lines follow, line, …, chunk, …
-- Returns 1 noted, or noted before; -1 missing; -2 ended; -3 another run has the job.
-- Repeat: n was noted. Passes at maxmemory, since the result waits for it.
local call = redis.call
local job, log, stream = unpack(KEYS)
local v = redis.pcall('HMGET', job, 'status', 'hq_token', 'hq_noted', 'hq_ttl', 'hq_attempt')
if v.err then return v end
local status, held, noted, life, attempt = unpack(v)
-- @include state
-- @include num
-- @include types
local wrong = types('hash', 'list', 'stream')
if wrong then return wrong end
local run, n = ARGV[1], num(ARGV[3])
if not status then return -1 end
if term then return -2 end
if ARGV[2] == '1' and held ~= run or ARGV[2] ~= '1' and held then return -3 end
local last = string.match(noted or '', '^(%d+) ')
if last and string.sub(noted, #last + 2) == run and num(last) >= n then return 1 end
local ms = whole(math.max(num(life), 86400000))
local lines = num(ARGV[7])
call('HDEL', job, 'hq_')
if lines > 0 then
  call('RPUSH', log, unpack(ARGV, 8, 7 + lines))
  call('LTRIM', log, -num(ARGV[5]), -1)
  call('PEXPIRE', log, ms)
  call('HINCRBY', job, 'hq_logged', lines)
end
for i = 8 + lines, #ARGV do
  call('XADD', stream, 'MAXLEN', '~', ARGV[6], '*', 'attempt', attempt or '1', 'chunk', ARGV[i])
end
if #ARGV > 7 + lines then call('PEXPIRE', stream, ms) end
if ARGV[4] ~= '' then call('HSET', job, 'hq_progress', ARGV[4]) end
call('HSET', job, 'hq_noted', whole(n) .. ' ' .. run)
return 1
