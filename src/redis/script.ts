/**
 * Every operation on a shared circuit, atomic and by the server's clock.
 *
 * KEYS: the circuit's hash, the sorted set of its leases (member: token, score: end).
 * ARGV: operation, key, channel, epoch to start with, known epoch, known generation, rememberMs,
 * expiresAt; then, by operation:
 * report — reporter, sequence, failures, successes, windowMs (-1: no threshold), failures, rate and minimum that trip,
 * tripped, quorum, cooldownMs, openings; acquire — token, leaseMs, permits; settle — token, leased, outcome, needed,
 * allowed, cooldownMs, openings; force — state, cooldownMs, openings; read — nothing.
 * Reply: epoch, generation, state, remainingMs, cooldownMs, openings, failures, total, byHand, at; for acquire then
 * granted, free, retryAfterMs.
 *
 * The hash: v, epoch, generation, state, until, cooldown, attempts (openings in succession), successes and failures (of
 * probes), settled (tokens that counted), forced, bucket (its length, ms; 0: consecutive), buckets (`index:bad:total`) and
 * reporters (`id:sequence:time:vote`).
 */
export const SCRIPT = `
local S, P = KEYS[1], KEYS[2]
local op, key, channel, newEpoch, knownEpoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local knownGeneration, rememberMs, expiresAt = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function arg(n) return tonumber(ARGV[8 + n]) end
local function int(n) return string.format('%.0f', n) end

local h = redis.call('HMGET', S, 'v', 'epoch', 'generation', 'state', 'until', 'cooldown', 'attempts', 'successes',
  'failures', 'settled', 'forced', 'bucket', 'buckets', 'reporters')
local exists = h[2] ~= false
if exists and h[1] ~= '1' then return redis.error_reply('ERR circuit "' .. key .. '" was saved by another version') end
local c = {
  epoch = h[2] or '', generation = tonumber(h[3] or 0), state = h[4] or 'closed', till = tonumber(h[5] or 0),
  cooldown = tonumber(h[6] or 0), attempts = tonumber(h[7] or 0), successes = tonumber(h[8] or 0),
  failures = tonumber(h[9] or 0), settled = h[10] or '', forced = h[11] or '0', bucket = tonumber(h[12] or 0),
  buckets = {}, reporters = {},
}
for index, bad, total in string.gmatch(h[13] or '', '(%d+):(%d+):(%d+)') do
  if c.bucket == 0 or tonumber(index) > math.floor(now / c.bucket) - 10 then
    c.buckets[#c.buckets + 1] = { index = tonumber(index), bad = tonumber(bad), total = tonumber(total) }
  end
end
for id, sequence, at, vote in string.gmatch(h[14] or '', '([^:;]+):(%d+):(%d+):(%d)') do
  c.reporters[#c.reporters + 1] = { id = id, sequence = tonumber(sequence), at = tonumber(at), vote = vote == '1' }
end

local function counted()
  local bad, total = 0, 0
  for _, b in ipairs(c.buckets) do bad = bad + b.bad; total = total + b.total end
  return bad, total
end

local function view()
  local bad, total = counted()
  local remaining = c.state == 'open' and math.max(0, c.till - now) or 0
  return { c.epoch, c.generation, c.state, remaining, c.cooldown, c.attempts, bad, total, tonumber(c.forced), int(now) }
end

local function save(rememberFor)
  local buckets, reporters = {}, {}
  for i, b in ipairs(c.buckets) do buckets[i] = int(b.index) .. ':' .. int(b.bad) .. ':' .. int(b.total) end
  for i, r in ipairs(c.reporters) do
    reporters[i] = r.id .. ':' .. int(r.sequence) .. ':' .. int(r.at) .. ':' .. (r.vote and 1 or 0)
  end
  redis.call('HSET', S, 'v', '1', 'epoch', c.epoch, 'generation', int(c.generation), 'state', c.state, 'until', int(c.till),
    'cooldown', int(c.cooldown), 'attempts', int(c.attempts), 'successes', int(c.successes), 'failures', int(c.failures),
    'settled', c.settled, 'forced', c.forced, 'bucket', c.bucket, 'buckets', table.concat(buckets, ';'),
    'reporters', table.concat(reporters, ';'))
  local ttl = math.max(rememberFor, redis.call('PTTL', S))
  redis.call('PEXPIRE', S, int(ttl))
  redis.call('PEXPIRE', P, int(ttl))
end

local function publish() redis.call('PUBLISH', channel, cjson.encode({ key, view() })) end

local function transition(state, forced)
  c.state, c.generation, c.forced = state, c.generation + 1, forced or '0'
  c.successes, c.failures, c.settled, c.buckets, c.reporters = 0, 0, '', {}, {}
  redis.call('DEL', P)
end

local function open(cooldown, attempts, forced)
  c.till, c.cooldown, c.attempts = now + cooldown, cooldown, attempts
  transition('open', forced)
end

local function finish(rememberFor) save(rememberFor); publish(); return view() end

local stored = view()

local function answer(granted, free, retryAfterMs)
  local v = granted == 1 and view() or stored
  v[11], v[12], v[13] = granted, free, retryAfterMs
  return v
end

if op == 'read' then return stored end
if now > expiresAt then return op == 'acquire' and answer(0, 0, 0) or stored end

local isForgotten = c.epoch ~= knownEpoch and knownEpoch ~= '' and c.generation == 0 and c.state == 'closed'
local isBehind = exists and c.epoch == knownEpoch and c.generation < knownGeneration
if not exists then c.epoch = newEpoch end
if isBehind then
  c.generation, c.state, c.till = knownGeneration, op == 'report' and 'closed' or 'open', now
end

if op == 'report' then
  local reporter, sequence, failures, successes = ARGV[9], arg(2), arg(3), arg(4)
  local windowMs, needed, rate, minimum = arg(5), arg(6), arg(7), arg(8)
  local tripped, quorum, cooldown, attempts = ARGV[17] == '1', arg(10), arg(11), arg(12)
  local isCurrent = knownEpoch == '' or c.generation == 0 or (c.epoch == knownEpoch and c.generation == knownGeneration)
  if c.state ~= 'closed' or not isCurrent then return stored end
  local horizon = windowMs > 0 and windowMs or math.max(60000, cooldown)
  local mine, kept = nil, {}
  for _, r in ipairs(c.reporters) do
    if r.at > now - horizon then kept[#kept + 1] = r end
    if r.id == reporter then mine = r end
  end
  c.reporters = kept
  if mine and sequence <= mine.sequence then return stored end
  if not mine or mine.at <= now - horizon then
    mine = { id = reporter, vote = false }
    kept[#kept + 1] = mine
  end
  mine.sequence, mine.at = sequence, now
  local bucket = windowMs < 0 and c.bucket or windowMs / 10
  if bucket ~= c.bucket then c.bucket, c.buckets = bucket, {} end
  local before = counted()
  if windowMs == 0 then
    local bad = successes > 0 and failures or before + failures
    c.buckets = { { index = 0, bad = bad, total = bad } }
    if successes > 0 then for _, r in ipairs(kept) do r.vote = false end end
  elseif windowMs > 0 then
    local index, last = math.floor(now / c.bucket), c.buckets[#c.buckets]
    if not last or last.index ~= index then
      last = { index = index, bad = 0, total = 0 }
      c.buckets[#c.buckets + 1] = last
    end
    last.bad, last.total = last.bad + failures, last.total + failures + successes
  end
  mine.vote = mine.vote or failures > 0 or tripped
  local bad, total = counted()
  local votes = 0
  for _, r in ipairs(kept) do if r.vote then votes = votes + 1 end end
  local over = windowMs >= 0 and bad >= needed and total >= minimum and bad / math.max(1, total) >= rate
  if votes >= quorum and failures + (tripped and 1 or 0) > 0 and (over or tripped) then
    open(cooldown, attempts)
    return finish(rememberMs)
  end
  save(rememberMs)
  if before == 0 and bad > 0 then publish() end
  return view()
end

if op == 'acquire' then
  local token, leaseMs, permits = ARGV[9], arg(2), arg(3)
  if isForgotten then c.state, c.till = 'open', now end
  if c.state == 'closed' then return answer(0, 0, 0) end
  if c.state == 'open' and c.till > now then return answer(0, 0, c.till - now) end
  local isFirst = c.state == 'open'
  if isFirst then transition('half-open') end
  redis.call('ZREMRANGEBYSCORE', P, '-inf', int(now))
  local taken, isMine = redis.call('ZCARD', P), redis.call('ZSCORE', P, token)
  local function earliestEnd() return math.max(0, tonumber(redis.call('ZRANGE', P, 0, 0, 'WITHSCORES')[2] or now) - now) end
  if taken >= permits and not isMine then return answer(0, 0, earliestEnd()) end
  if not isMine then
    redis.call('ZADD', P, int(now + leaseMs), token)
    taken = taken + 1
  end
  save(rememberMs)
  if isFirst then publish() end
  return answer(1, math.max(0, permits - taken), earliestEnd())
end

if op == 'settle' then
  local token, leased, outcome, needed, allowed = ARGV[9], ARGV[10] == '1', ARGV[11], arg(4), arg(5)
  if c.epoch ~= knownEpoch or c.generation ~= knownGeneration then return stored end
  local isFirst = c.state == 'open' and c.till <= now and not leased
  local isCounted = string.find(';' .. c.settled, ';' .. token .. ';', 1, true)
  if (c.state ~= 'half-open' and not isFirst) or isCounted then return stored end
  local till = tonumber(redis.call('ZSCORE', P, token) or 0)
  redis.call('ZREM', P, token)
  if outcome == 'neutral' or (outcome == 'failure' and leased and till <= now) then return stored end
  if isFirst then transition('half-open') end
  c.settled = c.settled .. token .. ';'
  if outcome == 'success' then c.successes = c.successes + 1 else c.failures = c.failures + 1 end
  if c.failures > allowed then open(arg(6), arg(7)) elseif c.successes >= needed then transition('closed') end
  save(rememberMs)
  if c.generation > knownGeneration then publish() end
  return view()
end

if op == 'force' then
  if not exists then c.generation = knownGeneration end
  if ARGV[9] == 'open' then open(arg(2), arg(3), '1') else c.attempts = 0; transition('closed', '1') end
  return finish(rememberMs)
end
`;
