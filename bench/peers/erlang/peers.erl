%% Erlang doing the work of bench/messages.lua and bench/spawn.lua, for bench/peers/run: `peers:main([Group, N])`.
%% A service of Reef answers calls and says when it has started, and so does a gen_server; Erlang has less below that, too: bare
%% messages, and a process that nobody waits for. CPU time is user and system of the whole process.
-module(peers).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2]).

init(State) -> {ok, State}.

handle_call(count, _, N) -> {reply, N, N};
handle_call(Message, _, N) -> {reply, Message, N}.

handle_cast(_, N) -> {noreply, N + 1}.

cpu() -> element(1, erlang:statistics(runtime)).

measure(Name, N, F) ->
    Wall = erlang:monotonic_time(microsecond),
    Cpu = cpu(),
    F(),
    Used = cpu() - Cpu,
    io:format("RESULT erlang_~s cpu=~p wall=~p~n",
              [Name, Used * 1000 / N, (erlang:monotonic_time(microsecond) - Wall) / N]).

times(0, _) -> ok;
times(N, F) -> F(N), times(N - 1, F).

calls(N) ->
    {ok, Peer} = gen_server:start(?MODULE, 0, []),
    times(N, fun(I) -> {ping, I} = gen_server:call(Peer, {ping, I}) end).

echo() -> receive {From, Ref, Message} -> From ! {Ref, Message}, echo() end.

bare_calls(N) ->
    Peer = spawn(fun echo/0),
    times(N, fun(I) ->
        Ref = make_ref(),
        Peer ! {self(), Ref, {ping, I}},
        receive {Ref, {ping, I}} -> ok end
    end).

%% In a process of its own each, as services are.
together(Pairs, N, Calls) ->
    All = [spawn_monitor(fun() -> Calls(N div Pairs) end) || _ <- lists:seq(1, Pairs)],
    lists:foreach(fun({Pid, Ref}) -> receive {'DOWN', Ref, process, Pid, normal} -> ok end end, All).

count(N) ->
    receive
        {add, _} -> count(N + 1);
        {count, From} -> From ! {count, N}
    end.

bare_sends(N) ->
    Peer = spawn(fun() -> count(0) end),
    times(N, fun(I) -> Peer ! {add, I} end),
    Peer ! {count, self()},
    receive {count, N} -> ok end.

casts(N) ->
    {ok, Peer} = gen_server:start(?MODULE, 0, []),
    times(N, fun(I) -> gen_server:cast(Peer, {add, I}) end),
    N = gen_server:call(Peer, count, infinity).

servers(N) ->
    [element(2, {ok, _} = gen_server:start(?MODULE, 0, [])) || _ <- lists:seq(1, N)].

processes(N) ->
    [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)].

started(Name, N, Start) ->
    Start(100),
    measure(Name, N, fun() -> put(Name, Start(N)) end),
    Pids = get(Name),
    {memory, Bytes} = erlang:process_info(hd(Pids), memory),
    io:format("RESULT erlang_~s_memory kib=~p~n", [Name, Bytes / 1024]),
    [exit(Pid, kill) || Pid <- Pids].

run(messages, N) ->
    [begin
         together(Pairs, N div 10, Calls),
         measure([Name, integer_to_list(Pairs)], N, fun() -> together(Pairs, N, Calls) end)
     end || {Name, Calls} <- [{"call_", fun calls/1}, {"bare_call_", fun bare_calls/1}], Pairs <- [1, 16]],
    measure("send", 2 * N, fun() -> casts(2 * N) end),
    measure("bare_send", 2 * N, fun() -> bare_sends(2 * N) end);
run(spawn, N) ->
    started("server", N, fun servers/1),
    started("spawn", N, fun processes/1).

main([Group, N]) ->
    io:format("VERSION erlang OTP ~s~n", [erlang:system_info(otp_release)]),
    run(Group, list_to_integer(atom_to_list(N))),
    halt(0).
