# frozen_string_literal: true

# ActionCable answers 404 to all but WebSocket handshakes, so a health check needs a path of its own.
require_relative "app"
map("/health") { run ->(_) { [200, { "Content-Type" => "text/plain" }, ["ok\n"]] } }
run ActionCable.server
