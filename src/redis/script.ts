/**
 * Every operation on a shared circuit, atomic and by the server's clock. No operation costs more where more processes
 * report.
 *
 * KEYS: the circuit's hash, the sorted set of its leases (member: token, score: end), the sorted set of the processes that
 * have failed (score: when; only where the quorum is above 1), and for a report the number of the latest one of its process.
 * ARGV: operation, key as JSON, channel, epoch to start with, known epoch, known generation, rememberMs, expiresAt, by; then,
 * by operation:
 * report — reporter, sequence, tripped, quorum, gatherMs, cooldownMs, openings, why, windowMs (-1: no threshold), failures,
 * rate, minimum, minSpanMs, maxAgeMs, rules, outcomes (age:bad:total;...), failures of the run, age of its first, age of its
 * last, age of the last success (-1: none);
 * acquire — token, leaseMs, permits, waitedMs; settle — token, leased, outcome, needed, allowed, cooldownMs, openings, why;
 * force — state, cooldownMs, openings, why; read and prove — nothing.
 * Reply: epoch, generation, state, remainingMs, cooldownMs, openings, forced, by, why, and of the question that is asked its
 * remaining time, window and age, then muted, at; for a report then failures, total, judgeInMs, rules of another process; for
 * acquire granted, free, retryAfterMs.
 *
 * The hash: epoch, generation, state, until, cooldown, attempts (openings in succession), successes and failures (of probes),
 * settled (tokens that counted), lease (the longest of this generation), forced, by, why; ask (when a question was put),
 * askFor (0: it is answered), askWindow, askSince; remember; rules; run (count:first:last:success) and, for each length of a
 * window, w<ms> (index:bad:total;...).
 * Nothing lasts longer than its own length after now, whatever is stored: the clock may have been set back.
 */
export const SCRIPT = `
local S, P, V = KEYS[1], KEYS[2], KEYS[3]
local op, key, channel, newEpoch, knownEpoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local knownGeneration, rememberMs, expiresAt, by = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local LATEST, ANSWERED_FOR, ASK_AGAIN = 2 ^ 52, 2000, 500
local function arg(n) return tonumber(ARGV[9 + n]) end
local function int(n) return string.format('%.0f', n) end
local function number(text)
  local n = tonumber(text or 0)
  return n and n >= 0 and n <= LATEST and n or 0
end

if op == 'prove' then return redis.call('SET', S, '1', 'PX', '1000') end

local windowField = op == 'report' and arg(9) > 0 and 'w' .. ARGV[18] or 'run'
local h = redis.call('HMGET', S, 'epoch', 'generation', 'state', 'until', 'cooldown', 'attempts', 'successes', 'failures',
  'settled', 'lease', 'forced', 'by', 'why', 'ask', 'askFor', 'askWindow', 'askSince', 'remember', 'rules', windowField)
local exists = h[1] ~= false
local c = {
  epoch = h[1] or '', generation = number(h[2]), state = h[3] or 'closed', till = number(h[4]), cooldown = number(h[5]),
  attempts = number(h[6]), successes = number(h[7]), failures = number(h[8]), settled = h[9] or '', lease = number(h[10]),
  forced = h[11] == '1' and '1' or '0', by = h[12] or '', why = h[13] or '', ask = number(h[14]), askFor = number(h[15]),
  askWindow = number(h[16]), askSince = number(h[17]), remember = number(h[18]),
}
if c.state ~= 'open' and c.state ~= 'half-open' then c.state = 'closed' end
local isClockBack = c.till > now + c.cooldown
c.till = math.min(c.till, now + c.cooldown)
c.askFor = math.min(c.askFor, 60000)
if c.ask > now then c.ask, c.askFor = 0, 0 end
local muted = 0

local function view()
  local remaining = c.state == 'open' and math.max(0, c.till - now) or 0
  local left = c.state == 'closed' and math.max(0, c.ask + c.askFor - now) or 0
  return { c.epoch, c.generation, c.state, remaining, c.cooldown, c.attempts, tonumber(c.forced), c.by, c.why, left,
    c.askWindow, math.max(0, now - c.askSince), muted, int(now) }
end

local ttl
local wasEmptied = false
local function remember()
  local left = wasEmptied and c.remember or math.min(redis.call('PTTL', S), c.remember)
  ttl = int(math.max(rememberMs, left))
  return int(math.max(rememberMs, c.remember))
end

local function save()
  local longest = remember()
  redis.call('HSET', S, 'epoch', c.epoch, 'generation', int(c.generation), 'state', c.state, 'until', int(c.till),
    'cooldown', int(c.cooldown), 'attempts', int(c.attempts), 'successes', int(c.successes), 'failures', int(c.failures),
    'settled', c.settled, 'lease', int(c.lease), 'forced', c.forced, 'by', c.by, 'why', c.why, 'ask', int(c.ask),
    'askFor', int(c.askFor), 'askWindow', c.askWindow, 'askSince', int(c.askSince), 'remember', longest)
  redis.call('PEXPIRE', S, ttl)
  redis.call('PEXPIRE', P, ttl)
end

local function publish()
  local text = '[' .. key .. ',' .. cjson.encode(view()) .. ']'
  local result = redis.pcall('PUBLISH', channel, text)
  if type(result) == 'table' and result.err then muted = 1 end
end

local function transition(state, why, forced)
  c.state, c.generation, c.forced, c.by, c.why = state, c.generation + 1, forced or '0', by, why
  c.successes, c.failures, c.settled, c.lease, c.ask, c.askFor = 0, 0, '', 0, 0, 0
  if not wasEmptied then
    c.remember = math.max(0, math.min(redis.call('PTTL', S), c.remember))
    redis.call('DEL', S, P, V)
    wasEmptied = true
  end
end

local function open(cooldown, attempts, why, forced)
  c.till, c.cooldown, c.attempts = now + cooldown, cooldown, attempts
  transition('open', why, forced)
end

local stored = view()

local function answer(granted, free, retryAfterMs)
  local v = granted == 1 and view() or stored
  v[15], v[16], v[17] = granted, free, retryAfterMs
  return v
end

local function counted(v, bad, total, judgeIn, rules)
  v[15], v[16], v[17], v[18] = bad, total, judgeIn, rules
  return v
end

if op == 'read' then return stored end
if now > expiresAt then
  if op == 'acquire' then return answer(0, 0, 0) end
  return op == 'report' and counted(stored, 0, 0, 0, '') or stored
end

local isKnown = c.epoch == knownEpoch
local isForgotten = not isKnown and knownEpoch ~= '' and c.generation == 0 and c.state == 'closed'
if exists and isKnown and c.generation < knownGeneration then
  c.generation, c.state, c.till = knownGeneration, op == 'report' and 'closed' or 'open', now
end
if not exists then c.epoch = newEpoch end

if op == 'report' then
  local reporter, sequence, tripped, quorum, gatherMs = ARGV[10], arg(2), ARGV[12] == '1', arg(4), arg(5)
  local cooldown, attempts, why, windowMs = arg(6), arg(7), ARGV[17], arg(9)
  local needed, rate, minimum, minSpan, maxAge, rules = arg(10), arg(11), arg(12), arg(13), arg(14), ARGV[24]
  local isCurrent = knownEpoch == '' or c.generation == 0 or (isKnown and c.generation == knownGeneration)
  if c.state ~= 'closed' or not isCurrent then return counted(stored, 0, 0, 0, '') end

  local R = KEYS[4]
  local version = c.epoch .. ':' .. int(c.generation) .. ':'
  local taken = redis.call('GET', R)
  local isTaken = taken and string.sub(taken, 1, #version) == version and sequence <= number(string.sub(taken, #version + 1))
  local failed, others, bad, total, over, compiled = 0, h[19] and h[19] ~= rules and h[19] or '', 0, 0, false, false

  if windowMs > 0 then
    local length, sums = windowMs / 10, {}
    local current = math.floor(now / length)
    local function add(age, b, t)
      local sum = sums[age] or { 0, 0 }
      sum[1], sum[2] = sum[1] + b, sum[2] + t
      sums[age] = sum
    end
    for index, b, t in string.gmatch(h[20] or '', '(%d+):(%d+):(%d+)') do
      local age = current - tonumber(index)
      if age >= 0 and age < 10 then add(age, tonumber(b), tonumber(t)) end
    end
    for age, b, t in string.gmatch(ARGV[25], '(%d+):(%d+):(%d+)') do
      failed = failed + tonumber(b)
      if not isTaken then add(math.min(9, tonumber(age)), tonumber(b), tonumber(t)) end
    end
    local list = {}
    for age = 9, 0, -1 do
      local sum = sums[age]
      if sum then
        bad, total = bad + sum[1], total + sum[2]
        list[#list + 1] = int(current - age) .. ':' .. int(sum[1]) .. ':' .. int(sum[2])
      end
    end
    compiled = table.concat(list, ';')
    over = bad >= needed and total >= minimum and bad / math.max(1, total) >= rate
  elseif windowMs == 0 then
    local firstAge, lastAge, successAge = arg(18), arg(19), arg(20)
    failed = arg(17)
    local n, first, last, success = string.match(h[20] or '', '^(%d+):(%d+):(%d+):(%d+)$')
    n, first, last, success = number(n), number(first), number(last), math.min(now, number(success))
    if first > now or last > now then n = 0 end
    if not isTaken then
      local before = success
      if successAge >= 0 then
        success = math.max(success, now - successAge)
        if now - successAge >= first then n = 0 end
      end
      if maxAge > 0 and first <= now - maxAge then n = 0 end
      if n == 0 and quorum > 1 then redis.call('DEL', V) end
      local mine, latest, counts = now - firstAge, now - lastAge, failed
      if counts > 0 and latest >= before then
        if mine < before then mine, counts = latest, 1 end
        first = n == 0 and mine or math.min(first, mine)
        n, last = n + counts, math.max(n == 0 and 0 or last, latest)
      end
    end
    bad, total = n, n
    compiled = int(n) .. ':' .. int(first) .. ':' .. int(last) .. ':' .. int(success)
    over = n >= needed and last - first >= minSpan
    c.first = first
  end

  local isEnough = true
  if quorum > 1 then
    local horizon = windowMs > 0 and windowMs or math.max(60000, cooldown)
    redis.call('ZREMRANGEBYSCORE', V, '-inf', int(now - horizon))
    redis.call('ZREMRANGEBYSCORE', V, '(' .. int(now), '+inf')
    if (failed > 0 or tripped) and not isTaken then redis.call('ZADD', V, int(now), reporter) end
    isEnough = redis.call('ZCARD', V) >= quorum
    redis.call('PEXPIRE', V, int(math.max(horizon, 1000)))
  end
  local keep = math.max(10000, math.min(3600000, expiresAt - now + 10000))
  if not isTaken then redis.call('SET', R, version .. int(sequence), 'PX', int(keep)) end

  local judgeIn, isChanged, isAsking = 0, not exists or c.generation ~= number(h[2]), false
  local ends, isMine = c.ask + c.askFor, c.askWindow == math.max(0, windowMs)
  local mustAsk = windowMs == 0 or rate > 0
  local mayOpen = tripped or (over and not mustAsk)
  if over and mustAsk and isEnough then
    if c.ask > 0 and c.askFor > 0 and now < ends then judgeIn = ends - now
    elseif c.ask > 0 and c.askFor > 0 and isMine and now < ends + ANSWERED_FOR then mayOpen = true
    elseif c.ask > 0 and c.askFor == 0 and now < c.ask + ASK_AGAIN then judgeIn = c.ask + ASK_AGAIN - now
    else
      c.ask, c.askFor, c.askWindow, c.askSince = now, gatherMs, math.max(0, windowMs), c.first or now
      judgeIn, isChanged, isAsking = gatherMs, true, true
    end
  elseif c.askFor > 0 and isMine and not over then
    c.ask, c.askFor, isChanged, isAsking = now, 0, true, now < ends
  end
  if isEnough and mayOpen then
    open(cooldown, attempts, why)
    save()
    publish()
    return counted(view(), 0, 0, 0, others)
  end
  if isChanged then save() else
    local longest = remember()
    redis.call('HSET', S, 'remember', longest)
    redis.call('PEXPIRE', S, ttl)
  end
  if compiled and windowMs >= 0 then redis.call('HSET', S, windowField, compiled, 'rules', rules) end
  if isAsking then publish() end
  return counted(view(), bad, total, judgeIn, others)
end

if op == 'acquire' then
  local token, leaseMs, permits, waitedMs = ARGV[10], arg(2), arg(3), arg(4)
  if isForgotten then c.state, c.till, isClockBack = 'open', now, false end
  if c.state == 'closed' then return answer(0, 0, 0) end
  if isClockBack and isKnown and c.generation == knownGeneration and waitedMs >= c.cooldown then c.till = now end
  if c.state == 'open' and c.till > now then return answer(0, 0, c.till - now) end
  local isFirst = c.state == 'open'
  if isFirst then transition('half-open', 'cooldown-elapsed') end
  local longest = math.max(c.lease, leaseMs)
  redis.call('ZREMRANGEBYSCORE', P, '-inf', int(now))
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', P, '(' .. int(now + longest), '+inf')) do
    redis.call('ZADD', P, int(now + longest), member)
  end
  local taken, isMine = redis.call('ZCARD', P), redis.call('ZSCORE', P, token)
  local function earliestEnd() return math.max(0, tonumber(redis.call('ZRANGE', P, 0, 0, 'WITHSCORES')[2] or now) - now) end
  if taken >= permits and not isMine then return answer(0, 0, earliestEnd()) end
  if not isMine then
    redis.call('ZADD', P, int(now + leaseMs), token)
    taken = taken + 1
  end
  c.lease = longest
  save()
  if isFirst then publish() end
  return answer(1, math.max(0, permits - taken), earliestEnd())
end

if op == 'settle' then
  local token, leased, outcome, needed, allowed = ARGV[10], ARGV[11] == '1', ARGV[12], arg(4), arg(5)
  if c.epoch ~= knownEpoch or c.generation ~= knownGeneration then return stored end
  local isFirst = c.state == 'open' and c.till <= now and not leased
  local isCounted = string.find(';' .. c.settled, ';' .. token .. ';', 1, true)
  if (c.state ~= 'half-open' and not isFirst) or isCounted then return stored end
  local till = number(redis.call('ZSCORE', P, token))
  redis.call('ZREM', P, token)
  if outcome == 'neutral' or (outcome == 'failure' and leased and till <= now) then return stored end
  if isFirst then transition('half-open', 'cooldown-elapsed') end
  c.settled = c.settled .. token .. ';'
  if outcome == 'success' then c.successes = c.successes + 1 else c.failures = c.failures + 1 end
  if c.failures > allowed then open(arg(6), arg(7), ARGV[17])
  elseif c.successes >= needed then transition('closed', ARGV[17]) end
  save()
  if c.generation > knownGeneration then publish() end
  return view()
end

if op == 'force' then
  if not exists then c.generation = knownGeneration
  elseif not isKnown or c.generation ~= knownGeneration then return stored end
  if ARGV[10] == 'open' then open(arg(2), arg(3), ARGV[13], '1')
  else
    c.attempts = 0
    transition('closed', ARGV[13], '1')
  end
  save()
  publish()
  return view()
end
`;
