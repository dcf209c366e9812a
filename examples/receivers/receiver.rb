# examples/receivers/receiver.rb
require "json"
require "openssl"
require "webrick"

SECRET = ENV.fetch("WEBHOOK_SECRET").delete_prefix("whsec_").unpack1("m")
TOLERANCE_S = 5 * 60

# Standard Webhooks: HMAC-SHA256 over "<id>.<timestamp>.<body>", one or more signatures between spaces.
def verified?(body, id, timestamp, signatures)
  return false if (Time.now.to_i - timestamp.to_i).abs > TOLERANCE_S

  mac = OpenSSL::HMAC.digest("SHA256", SECRET, "#{id}.#{timestamp}.#{body}")
  expected = "v1,#{[mac].pack('m0')}"
  signatures.split.any? { |signature| OpenSSL.secure_compare(signature, expected) }
end

server = WEBrick::HTTPServer.new(
  BindAddress: "127.0.0.1", Port: Integer(ENV.fetch("PORT", "3000")),
  AccessLog: [], Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN)
)
server.mount_proc "/hook" do |request, response|
  body = request.body.to_s # the exact bytes: verify before anything parses them
  id, timestamp, signatures = %w[webhook-id webhook-timestamp webhook-signature].map { |name| request[name].to_s }
  if verified?(body, id, timestamp, signatures)
    event = JSON.parse(body)
    # Not every operational event is about a job.
    puts [id, event["type"], event["data"]["job_id"]].join(" ")
    response.status = 204
  else
    response.status = 400
  end
end

$stdout.sync = true
trap("TERM") { server.shutdown }
server.start
