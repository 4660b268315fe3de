import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.function.BooleanSupplier;

/** Running features one by one: a row `ok NAME` or `FAIL NAME: reason` for each, as the Python suites print them. */
final class Suite {
    interface Feature {
        void run() throws Exception;
    }

    private static final String RUN = UUID.randomUUID().toString().substring(0, 8);
    private static final BufferedReader STDIN = new BufferedReader(new InputStreamReader(System.in));
    private final Map<String, Feature> features = new LinkedHashMap<>();

    void feature(String name, Feature feature) {
        features.put(name, feature);
    }

    /** A topic or group name that no other run uses. */
    static String name(String base) {
        return "java-" + base + "-" + RUN;
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object expected, Object actual, String what) {
        if (!Objects.deepEquals(expected, actual)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        }
    }

    static void until(String what, Duration bound, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + bound.toNanos();
        while (!condition.getAsBoolean()) {
            check(System.nanoTime() < deadline, "timed out waiting until " + what);
            Thread.sleep(20);
        }
    }

    /** Asks the runner to stop and start the node; returns when it serves again. */
    static void restart() throws IOException {
        System.out.println("restart");
        System.out.flush();
        String answer = STDIN.readLine();
        check("done".equals(answer), "the runner answered " + answer);
    }

    /** Restarts the node while the caller goes on; the thread ends when it serves again. */
    static Thread restarting() {
        Thread thread = new Thread(() -> {
            try {
                restart();
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        });
        thread.start();
        return thread;
    }

    void run(String[] only) {
        int failed = 0;
        List<String> chosen = Arrays.asList(only);
        for (Map.Entry<String, Feature> entry : features.entrySet()) {
            if (!chosen.isEmpty() && !chosen.contains(entry.getKey())) {
                continue;
            }
            try {
                entry.getValue().run();
                System.out.println("ok " + entry.getKey());
            } catch (Throwable error) {
                failed++;
                error.printStackTrace();
                System.out.println("FAIL " + entry.getKey() + ": " + String.valueOf(error).replace('\n', ' '));
            }
            System.out.flush();
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
