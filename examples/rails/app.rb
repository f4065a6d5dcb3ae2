# frozen_string_literal: true

# A chat: Rails 6.1 in one file, with a login, uploads, a live feed and ActionCable.

require "action_controller/railtie"
require "action_cable/engine"
require "digest"
require "sidekiq"

NAME = ENV.fetch("NAME", "rails")
REDIS_URL = ENV.fetch("REDIS_URL")
# Sidekiq 6.4 would fill the log with what this version of the redis gem finds old.
Redis.silence_deprecations = true
Redis.sadd_returns_boolean = false
Sidekiq.configure_client { |client| client.redis = { url: REDIS_URL } }
Sidekiq.configure_server { |server| server.redis = { url: REDIS_URL } }

class Chat < Rails::Application
  config.load_defaults 6.1
  config.root = __dir__
  config.eager_load = true
  config.cache_classes = true
  config.consider_all_requests_local = false
  config.public_file_server.enabled = true
  config.secret_key_base = ENV.fetch("SECRET_KEY_BASE")
  config.session_store :cookie_store, key: "_chat"
  config.logger = ActiveSupport::TaggedLogging.new(ActiveSupport::Logger.new($stdout))
  config.log_level = :info
  config.log_tags = [:request_id]
  # ActionCable has a process of its own. It takes connections from pages of the very host that it is asked for.
  config.action_cable.mount_path = nil
  config.action_cable.cable = { "adapter" => "redis", "url" => REDIS_URL }
end

# Controllers defined any earlier would miss the settings: forgery protection, the helpers of the routes.
Chat.initialize!

class WelcomeJob
  include Sidekiq::Worker
  sidekiq_options queue: "mail"

  def perform(user)
    logger.info "welcome, #{user}"
  end
end

module ApplicationCable
  class Connection < ActionCable::Connection::Base
    identified_by :user

    def connect
      self.user = cookies.encrypted[:user] || "a guest"
    end
  end

  class Channel < ActionCable::Channel::Base; end
end

class RoomChannel < ApplicationCable::Channel
  def subscribed
    stream_from "room:#{params[:room]}"
  end

  def speak(data)
    ActionCable.server.broadcast("room:#{params[:room]}", { user: user, text: data["text"] })
  end
end

class ChatController < ActionController::Base
  # For programs, which have no page to take a token from.
  skip_forgery_protection only: %i[say upload files]

  def index
    @user = cookies.encrypted[:user] || "a guest"
    render inline: <<~ERB
      <!doctype html>
      <title>Chat</title>
      <h1>Chat</h1>
      <p>You are <b><%= @user %></b>. <%= link_to "Log in", login_url %></p>
      <ol id="messages"></ol>
      <form id="say"><input name="text"><button>Say</button></form>
      <script>
        const identifier = JSON.stringify({ channel: "RoomChannel", room: "lobby" });
        const cable = new WebSocket(location.origin.replace(/^http/, "ws") + "/cable", "actioncable-v1-json");
        const send = (command, data) => cable.send(JSON.stringify({ command, identifier, data }));
        const speak = (text) => send("message", JSON.stringify({ action: "speak", text }));
        cable.onmessage = (event) => {
          const { type, message } = JSON.parse(event.data);
          if (type === "welcome") send("subscribe");
          if (type === "confirm_subscription") speak("has come in");
          if (!message) return;
          const line = document.createElement("li");
          line.textContent = message.user + ": " + message.text;
          document.getElementById("messages").append(line);
        };
        document.getElementById("say").onsubmit = (event) => {
          event.preventDefault();
          speak(event.target.text.value);
          event.target.reset();
        };
      </script>
    ERB
  end

  # What Rails makes of a request behind the proxy.
  def seen
    headers = request.headers.env.select { |name, _| name.start_with?("HTTP_") }
    render json: {
      name: NAME, remote_ip: request.remote_ip, ssl: request.ssl?, base_url: request.base_url,
      url: request.original_url, here: url_for(only_path: false), path: request.env["REQUEST_URI"],
      headers: headers.transform_keys { |name| name.delete_prefix("HTTP_").downcase.tr("_", "-") }
    }
  end

  def login
    render inline: <<~ERB
      <!doctype html>
      <title>Log in</title>
      <%= form_tag "/login" do %><%= text_field_tag :user %><%= submit_tag "Log in" %><% end %>
    ERB
  end

  def log_in
    session[:user] = params[:user]
    cookies.encrypted[:user] = { value: params[:user], httponly: true, same_site: :lax }
    WelcomeJob.perform_async(params[:user])
    redirect_to action: :me
  end

  def me
    return render(plain: "Nobody is logged in.\n", status: :unauthorized) unless session[:user]

    render json: { user: session[:user], name: NAME }
  end

  # Says something from outside of ActionCable's process.
  def say
    ActionCable.server.broadcast("room:#{params[:room]}", { user: session[:user] || "a program", text: params[:text] })
    head :accepted
  end

  def upload
    sha1 = Digest::SHA1.new
    length = 0
    while (piece = request.body.read(65_536))
      length += piece.bytesize
      sha1 << piece
    end
    render plain: "#{length} #{sha1.hexdigest}\n"
  end

  # A multipart form: what Rails made of its files.
  def files
    files = Array(params[:files]).map do |file|
      [file.original_filename, file.size, Digest::SHA1.file(file.path).hexdigest]
    end
    render json: { title: params[:title], files: files }
  end

  # A download of that many bytes.
  def bytes
    send_data "x" * params[:n].to_i, type: "application/octet-stream"
  end

  def rules
    render plain: "Be kind.\n" if stale?(etag: "rules 1", last_modified: Time.utc(2024))
  end

  def cookie_jar
    cookies[:plain] = "one"
    cookies[:odd] = { value: "a b;c=ü", path: "/cookies", httponly: true, same_site: :strict }
    cookies[:dated] = { value: "three", expires: Time.utc(2099), domain: "example.com" }
    render plain: "three cookies\n"
  end
end

class FeedController < ActionController::Base
  include ActionController::Live

  # The room as server-sent events, until `count` messages were said in it.
  def index
    response.headers["Content-Type"] = "text/event-stream"
    # Rack 2.2 reads a whole answer to make an ETag unless there is a validator already.
    response.headers["Last-Modified"] = Time.now.httpdate
    redis = Redis.new(url: REDIS_URL)
    left = params.fetch(:count, 100).to_i
    redis.subscribe("room:#{params[:room]}") do |on|
      on.subscribe { response.stream.write("event: open\ndata: #{NAME}\n\n") }
      on.message do |_, message|
        response.stream.write("data: #{message}\n\n")
        redis.unsubscribe if (left -= 1).zero?
      end
    end
  rescue ActionController::Live::ClientDisconnected
    # Told by the first write after it.
  ensure
    redis&.close
    response.stream.close
  end
end

Chat.routes.draw do
  root to: "chat#index"
  get "seen(/*rest)", to: "chat#seen", format: false
  get "login", to: "chat#login"
  post "login", to: "chat#log_in"
  get "me", to: "chat#me"
  post "say", to: "chat#say"
  match "upload", to: "chat#upload", via: %i[post put]
  post "files", to: "chat#files"
  get "bytes", to: "chat#bytes"
  get "rules", to: "chat#rules"
  get "cookies", to: "chat#cookie_jar"
  get "feed", to: "feed#index"
end
