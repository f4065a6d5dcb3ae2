# frozen_string_literal: true

# The same application for Puma: FOLDER, NUMBER from the environment.
folder, number = ENV.values_at("FOLDER", "NUMBER")
record = File.open("#{folder}/done-#{number}", "a").tap { |file| file.sync = true }
is = ->(mode) { File.exist?("#{folder}/#{mode}-#{number}") }

run lambda { |env|
  next [is["busy"] ? 503 : 200, {}, []] if env["PATH_INFO"] == "/up"

  env["rack.input"].read
  sleep(is["slow"] ? 0.8 : 0.01)
  next [503, {}, []] if is["busy"]

  id = env["QUERY_STRING"][/id=([^&]*)/, 1]
  record.write("#{env["REQUEST_METHOD"]} #{id}\n")
  body = ("#{id}." * 700)[0, 2000]
  [200, { "content-length" => body.bytesize.to_s }, [body]]
}
