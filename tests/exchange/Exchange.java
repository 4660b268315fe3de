import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.tools.DumpLogSegments;

/**
 * The clients' side of the exchange of log directories: Apache Kafka's Java clients and its dump tool, in one JVM.
 *
 * Each line of standard input is a command, its words parted by blanks, and is answered by a line on standard output: `ok`, or
 * `FAIL` and what went wrong.
 *
 * fill BOOTSTRAP ROUND apache|klamm   adds records, topics, groups; transactions only where there is a coordinator for them
 * state BOOTSTRAP FILE apache|klamm   writes all that a client can see to a file
 * load BOOTSTRAP                      begins to produce without end
 * check-load BOOTSTRAP                ends that, and checks that nothing acknowledged is missing
 * fill-dirty BOOTSTRAP                fills a topic with what compaction takes away
 * compact BOOTSTRAP                   has it compacted
 * more-dirty BOOTSTRAP                ends its last segment
 * dump-log DIRECTORY FILE             has Apache Kafka's dump tool read every file of a log directory; complaints go to a file
 */
public final class Exchange {
    private static final PrintStream ANSWERS = System.out;

    public static void main(String[] none) throws IOException {
        System.setOut(System.err);
        Exit.setExitProcedure((code, message) -> {
            throw new IllegalStateException("exit code " + code + ": " + message);
        });
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Fill fill = new Fill();
        Load load = null;
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] words = line.split(" ");
            String answer = "ok";
            try {
                switch (words[0]) {
                    case "fill" -> fill.round(words[1], Integer.parseInt(words[2]), words[3].equals("apache"));
                    case "state" -> Files.write(Path.of(words[2]), new State(words[1], words[3].equals("apache")).lines());
                    case "load" -> load = new Load(words[1]);
                    case "check-load" -> load.check(words[1]);
                    case "fill-dirty" -> Dirty.fill(words[1]);
                    case "compact" -> Dirty.compact(words[1]);
                    case "more-dirty" -> Dirty.more(words[1]);
                    case "dump-log" -> Files.write(Path.of(words[2]), dump(Path.of(words[1])));
                    default -> answer = "FAIL unknown command " + words[0];
                }
            } catch (Exception | Error problem) {
                problem.printStackTrace();
                answer = "FAIL " + String.valueOf(problem).replace('\n', ' ');
            }
            ANSWERS.println(answer);
        }
        Runtime.getRuntime().halt(0); // clients that are still open have nobody to talk to
    }

    /** What the dump tool has to say against any file. */
    private static List<String> dump(Path directory) throws IOException {
        List<String> complaints = new ArrayList<>();
        List<Path> files;
        try (var all = Files.walk(directory)) {
            files = all.filter(Files::isRegularFile).sorted().toList();
        }
        for (Path file : files) {
            String name = file.getFileName().toString();
            // The indexes of a partition that is being deleted are not completed.
            boolean isGone = file.getParent().toString().endsWith("-delete");
            if (isGone || !name.matches("\\d{20}\\.(log|index|timeindex|txnindex|snapshot)")) {
                continue;
            }
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream before = System.out;
            System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
            try {
                String[] arguments = {"--deep-iteration", "--files", file.toString()};
                DumpLogSegments.main(arguments);
            } catch (Exception problem) {
                complaints.add(file + ": " + problem);
            } finally {
                System.setOut(before);
            }
            printed.toString(StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> line.matches("(?i).*(isvalid: false|mismatch|non-consecutive|corrupt|out of order|not found|"
                            + "empty index|invalid bytes|exception|error).*"))
                    .forEach(line -> complaints.add(file + ": " + line));
        }
        return complaints;
    }
}
