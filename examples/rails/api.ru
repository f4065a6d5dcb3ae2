# frozen_string_literal: true

# A service beside Rails, for a host of its own.
require "json"

run(lambda do |env|
  body = JSON.generate("name" => "api", "host" => env["HTTP_HOST"], "path" => env["PATH_INFO"])
  [200, { "Content-Type" => "application/json", "Content-Length" => body.bytesize.to_s }, [body]]
end)
