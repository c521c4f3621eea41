/** What is given and what is stored, how a view of it is made, and how it changes; then what every operation has in common. */
export const PRELUDE = `
local S, P, V = KEYS[1], KEYS[2], KEYS[3]
local op, key, channel, newEpoch, knownEpoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local knownGeneration, rememberMs, expiresAt, by = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local LATEST, ANSWERED_FOR, ASK_AGAIN, LONGEST_LOST, SERVED_AGAIN = 2 ^ 52, 2000, 500, 1000, 10
local PROBE_LOST, COOLDOWN_ELAPSED, LATE_SUCCESS = 'probe-lost', 'cooldown-elapsed', 'late-success'
local function arg(n) return tonumber(ARGV[9 + n]) end
local function int(n) return string.format('%.0f', n) end
local function number(text)
  local n = tonumber(text or 0)
  return n and n >= 0 and n <= LATEST and n or 0
end

if op == 'prove' then return redis.call('SET', S, '1', 'PX', '1000') end

local windowField = op == 'report' and arg(9) > 0 and 'w' .. ARGV[18] or 'run'
local h = redis.call('HMGET', S, 'epoch', 'generation', 'state', 'until', 'cooldown', 'attempts', 'successes', 'failures',
  'settled', 'lost', 'lease', 'forced', 'by', 'why', 'ask', 'askFor', 'askWindow', 'askSince', 'remember', 'rules',
  windowField, 'served')
local exists = h[1] ~= false
local c = {
  epoch = h[1] or '', generation = number(h[2]), state = h[3] or 'closed', till = number(h[4]), cooldown = number(h[5]),
  attempts = number(h[6]), successes = number(h[7]), failures = number(h[8]), settled = h[9] or '', lost = h[10] or '',
  lease = number(h[11]), forced = h[12] == '1' and '1' or '0', by = h[13] or '', why = h[14] or '', ask = number(h[15]),
  askFor = number(h[16]), askWindow = number(h[17]), askSince = number(h[18]), remember = number(h[19]),
  served = number(h[22]),
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
local wasEmptied, wasSaved = false, false
local function remember()
  local left = wasEmptied and c.remember or math.min(redis.call('PTTL', S), c.remember)
  ttl = int(math.max(rememberMs, left))
  return int(math.max(rememberMs, c.remember))
end

local function save()
  wasSaved = true
  local longest = remember()
  redis.call('HSET', S, 'epoch', c.epoch, 'generation', int(c.generation), 'state', c.state, 'until', int(c.till),
    'cooldown', int(c.cooldown), 'attempts', int(c.attempts), 'successes', int(c.successes), 'failures', int(c.failures),
    'served', int(c.served), 'settled', c.settled, 'lost', c.lost, 'lease', int(c.lease), 'forced', c.forced, 'by', c.by, 'why', c.why,
    'ask', int(c.ask), 'askFor', int(c.askFor), 'askWindow', c.askWindow, 'askSince', int(c.askSince), 'remember', longest)
  redis.call('PEXPIRE', S, ttl)
  redis.call('PEXPIRE', P, ttl)
end

local function publish()
  local text = '[' .. key .. ',' .. cjson.encode(view()) .. ']'
  local result = redis.pcall('PUBLISH', channel, text)
  if type(result) == 'table' and result.err then muted = 1 end
end

local function transition(state, why, forced)
  if why ~= PROBE_LOST and why ~= COOLDOWN_ELAPSED then c.lost = '' end
  c.state, c.generation, c.forced, c.by, c.why = state, c.generation + 1, forced or '0', by, why
  c.successes, c.failures, c.served, c.settled, c.lease, c.ask, c.askFor = 0, 0, 0, '', 0, 0, 0
  if not wasEmptied then
    c.remember = math.max(0, math.min(redis.call('PTTL', S), c.remember))
    redis.call('DEL', S, P, V)
    wasEmptied = true
  end
end

local function open(cooldown, attempts, why, forced, from)
  c.till, c.cooldown, c.attempts = (from or now) + cooldown, cooldown, attempts
  transition('open', why, forced)
end

local stored = view()

local function answer(granted, free, retryAfterMs)
  local v = wasSaved and view() or stored
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
`;
